package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/proxy"
)

// refresh makes s.view what the catalog says now, if that can be asked: not
// while the server discards messages or the transaction has failed, when
// nothing can be removed either. What another session has told of a change meanwhile
// has been seen, or is counted.
func (s *session) refresh(ctx context.Context, w proxy.Wire) error {
	for range looks {
		if err := s.lookOnce(ctx, w); !errors.Is(err, errOvertaken) {
			return err
		}
	}
	s.view = s.view.doubt()
	return nil
}

// looks is how often the catalog is looked at in a row because it changed meanwhile.
const looks = 2

// errOvertaken: s.view may be what the catalog was before a change that another session
// has told of since.
var errOvertaken = errors.New("the catalog changed while it was looked at")

// lookOnce is refresh, of what was told before it begins, or errOvertaken.
func (s *session) lookOnce(ctx context.Context, w proxy.Wire) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || s.aborted(w) {
		s.view = s.fallback()
		return nil
	}
	if s.private && !s.inBlock(w) {
		s.private, s.implied = false, false
		s.db.announce()
	}
	q := lookup{w: w, own: s.alone(w)}
	if err := s.side(ctx, q); err != nil {
		s.view = s.fallback()
		return s.unread(ctx, w, q, err)
	}
	// What is DEFERRABLE may wait until others have ended: such a session looks beside the others.
	beside := false
	if q.own {
		is, err := one(ctx, q, "SHOW default_transaction_deferrable") // takes no snapshot
		if err != nil {
			s.view = s.fallback()
			return s.unread(ctx, w, q, err)
		}
		beside = is == "on"
	}
	s.redefined, s.reshaped = s.redefined || s.reshaped, false
	at := s.db.now()
	shared := s.db.view.Load()
	known := shared
	if s.private { // that has none of what others have changed since
		known = s.view
	}
	_, changed := s.db.stale(known)
	old := s.db.old(known)
	mine, now := false, s.j.o.Now().UnixNano()
	turn := s.db.looks(now)
	switch stuck := s.db.isStuck(now); {
	case beside:
	case (changed || old) && stuck && !s.redefined:
	case shared == nil: // without one all is counted
		if mine, err = s.awaitTurn(ctx, w, turn.turn, firstWait); !mine && err == nil {
			s.db.stick(s.j.o.Now().UnixNano())
		}
	case (changed || old) && q.own && !s.redefined:
		if mine, err = s.awaitTurn(ctx, w, turn.turn, changeWait); !mine && err == nil {
			s.db.stick(now)
		}
	default:
		mine = turn.try()
	}
	if err != nil {
		return err
	}
	if !mine && !beside && (shared == nil || !s.redefined) {
		if s.view = s.fallback(); (changed || old) && shared != nil {
			s.view = s.view.doubt()
		}
		return nil
	}
	if mine { // else what has changed is looked for beside another one, which may have begun before that
		turn.since.Store(s.j.o.Now().UnixNano())
		defer turn.give()
	}
	if v := s.db.view.Load(); (changed || old) && q.own && !s.private && !s.redefined && !s.db.outdated.Load() {
		if _, changed := s.db.stale(v); !changed && !s.db.old(v) {
			s.view = v // another session has read it while this one waited
			return nil
		}
	}
	fixed := false // what this transaction sees of the catalog is of when it began
	if !q.own {
		mode, err := one(ctx, q, "SELECT pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.||) '/' OPERATOR(pg_catalog.||) pg_catalog.current_setting('transaction_read_only')")
		if errors.Is(err, errServer) {
			s.view = s.fallback()
			return s.fault(w, err)
		} else if err != nil {
			return err
		}
		isolation, reads, _ := strings.Cut(mode, "/")
		if fixed = fixes(isolation); fixed && !s.redefined {
			// In a READ ONLY one, as pg_dump has, nothing can be removed, and it stays that.
			if s.view = s.fallback(); (changed || s.private) && reads != "on" {
				s.view = s.view.doubt()
			}
			return nil
		}
	}
	if q.own {
		if q.first = loadSettings; shared != nil {
			q.first = lookSettings
		}
		s.db.server.ask(ctx, q)
		if !beside { // who settles keeps others from it
			s.settleBeside(ctx, lookup{w: w, own: true, first: probeSettings})
		}
	}
	redefined := s.redefined
	s.redefined = false
	view, err := s.look(ctx, q)
	switch e := (*serverError)(nil); {
	case q.own && errors.As(err, &e) && e.code == "55P03": // what somebody has locked, for how long nobody knows
		s.db.stick(s.j.o.Now().UnixNano())
		s.redefined = redefined
		s.view = s.fallback().doubt()
		return nil
	case errors.Is(err, errServer) && q.own && !isClients(err):
		s.j.o.Logger.Error("catalog cannot be read; every statement is counted", "database", s.db.name, "error", err)
		view = newView(&catalog.Snapshot{Database: s.db.name, Reach: catalog.Reach{Everything: "the catalog could not be read"}})
	case err != nil:
		s.view = s.fallback()
		return s.unread(ctx, w, q, err)
	}
	if was := s.view; was != nil && (s.inBlock(w) || !q.own) {
		if g := view.growth(was); g.any { // a cursor opened, a portal bound, or what is deferred, may call what is new
			open, err := one(ctx, q, anyOpen)
			if err != nil {
				s.view = s.fallback()
				return s.unread(ctx, w, q, err)
			}
			if tx := s.open(w); open == "true" {
				tx.reaches(g)
			}
		}
	}
	if s.view = view; !fixed {
		view.good(at)
	}
	private := false // it may show what this transaction alone has changed
	if now := s.db.view.Load(); s.inBlock(w) || !q.own {
		private = now != nil && now != view
	}
	overtaken := s.db.changes.Load() > at.changes
	if fixed && (changed || private || overtaken) { // nor does it show what others have
		s.view, overtaken = view.doubt(), false
	}
	s.implied = !s.inBlock(w) && (private || !q.own && s.temps != nil)
	if s.private = s.private || private; !private {
		if shared := s.db.view.Load(); shared == nil || shared.changes.Load() <= view.changes.Load() { // none that was begun later
			s.db.view.Store(view)
		}
		s.db.checkNames(s.j.rules.Load(), view, s.j.o.Logger)
	}
	if overtaken {
		return errOvertaken
	}
	return nil
}

// unread ends a look at the catalog with what went wrong. nil: the next message tries again.
func (s *session) unread(ctx context.Context, w proxy.Wire, q lookup, err error) error {
	switch {
	case !errors.Is(err, errServer):
		return err
	case q.own && !isClients(err):
		return nil
	case q.own: // the client has cancelled what it sent, or the server shuts down
		if err := doom(ctx, w, "the catalog cannot be read"); err != nil {
			return err
		}
	}
	return s.fault(w, err)
}

// side makes s.db that of the session's server: the primary, or a standby, which may
// have been promoted since.
func (s *session) side(ctx context.Context, q lookup) error {
	is := q.w.Parameter("in_hot_standby")
	if is == "" { // before PostgreSQL 14, and behind a pooler that does not pass it on
		if q.own {
			q.first = loadSettings
		}
		var err error
		if is, err = one(ctx, q, "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'on' ELSE 'off' END"); err != nil {
			return err
		}
	}
	if (is == "on") != s.db.standby {
		s.db, s.private = s.db.other, false
	}
	return nil
}

// loadSettings: the session's own limits are for its own statements. As long as firstWait
// others wait for it.
const loadSettings = "SELECT pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', '5s', true), " + jitOff

// lookSettings are for a look where there is a view already.
const lookSettings = "SELECT pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', '1s', true), " + jitOff

// load returns the view in force if the catalog has not changed since, else a new one.
func (s *session) load(ctx context.Context, q lookup) (_ *view, err error) {
	now := s.view
	if !s.private {
		now = s.db.view.Load()
	}
	outdated := s.db.outdated.Swap(false)
	defer func() {
		if err != nil && outdated {
			s.db.outdated.Store(true)
		}
	}()
	if now != nil && now.snap.Fingerprint != "" && !outdated {
		print, err := catalog.Fingerprint(ctx, q)
		if err != nil {
			return nil, err
		}
		if print == now.snap.Fingerprint {
			return now, nil
		}
	}
	snap, err := catalog.Load(ctx, q)
	if err != nil {
		return nil, err
	}
	s.epoch++
	return newView(snap), nil
}

func (s *session) fallback() *view {
	if s.private && s.view != nil {
		return s.view
	}
	if v := s.db.view.Load(); v != nil {
		return v
	}
	v := newView(&catalog.Snapshot{Database: s.db.name, Reach: catalog.Reach{Everything: notLooked}})
	v.uncertain = true
	return v
}
