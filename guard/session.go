package guard

import (
	"bytes"
	"context"
	"errors"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// session implements proxy.Session. All of it belongs to the goroutine that
// reads the client.
type session struct {
	j     *Judge
	db    *database
	info  *proxy.Info
	rules rules
	// view in force; private while a transaction that changed the catalog is
	// open, else the database's.
	view    *view
	private bool
	// asleep: nothing was judged, and so nothing noted; see wake.
	asleep bool
	litter bool // the private statement was left behind: an error was in the way of its Close
	// renames: what names mean was changed out of sight; it is asked before each DELETE
	// is planned.
	renames bool

	stmts byName[*prepared] // prepared statements that need the guard, by name
	// prepared tells when stmts is to be made anew.
	prepared listing
	portals  byName[*portal] // portals bound to them, by name
	// process is protect.SessionSQL's, "" before it was asked.
	process  string
	tx       *transaction    // nil: nothing removed in the open transaction
	pending  *journal.Entry  // durable, its transaction's end not yet seen; nil: none
	outside  *journal.Entry  // see vouchForNothing
	calling  *journal.Entry  // see vouchForCall
	outcomes *errgroup.Group // being recorded; nil: none ever was
	// prepares is one whose PREPARE TRANSACTION has succeeded; see sawPrepared.
	prepares *journal.Entry

	clean    bool // nothing was sent since the last Sync
	hasRun   bool // something was executed since it, before the message under judgement
	hasBound bool // or bound
	wasClean bool // clean, before the message under judgement
	// block is what the messages since the last Sync did to the transaction block:
	// 1 opened it, -1 ended it, 0 neither.
	block     int8
	lingers   bool // an implicit transaction is open behind a ReadyForQuery; see amid
	epoch     int  // counts what may change how names resolve
	readIn    int  // the exchange in which a private view was read, for a statement in it
	redefined bool // the catalog was changed since it was looked at
	reshaped  bool // … as far as tables go, and not what may delete
	implied   bool // the private view, or temps, are of an implicit transaction
	overtaken int  // the exchange in which the catalog was changed after something else ran
	// moreReach: what was opened, bound or deferred before in the open transaction may delete now.
	moreReach growth
	announces bool // … by this session, and others may not see that yet
	reshapes  bool // likewise
	// renamesDatabases: and others of another database neither.
	renamesDatabases bool
	// renamed: names were changed, in that exchange, in a transaction whose end
	// may take that back; see renamesEnd.
	renamed   bool
	renamedIn int
	exchange  int // counts what ends with ReadyForQuery
	// ran is the exchange in which a statement ran last: what it changed of the
	// session's parameters the server tells at its end only.
	ran   int
	bound int    // and a Bind came last
	step  uint32 // counts what may run something of the client's; see fresh
	// sets counts what was executed in the exchange and may have changed that, before
	// the message under judgement, and with it.
	sets    struct{ before, with int32 }
	encoded *encoded
	spelt   *spelling // by which the text under judgement was parsed, if it has a backslash
	targets targets

	kept     kept
	heldBind *heldBind
	reckoned int64     // what the messages under judgement and held have of Options.Memory
	parsing  int64     // … of it, the query that is not parsed yet
	started  time.Time // of the server's run, as read last: the session does not outlive it
	// fixed is transaction.fixed of the implicit ones, as read last; nil: never.
	fixed *bool
	temps *temps // nil: nothing that it has made may be one
}

// analyse parses a query text as this session's server will. errFailed: the client has
// been told that it cannot be.
func (s *session) analyse(ctx context.Context, w proxy.Wire, text []byte) (*analysis, error) {
	if len(text) > maxCachedText && !s.interesting(text) { // it is here for a look at the catalog alone
		return &analysis{plain: true}, nil
	}
	var a *analysis
	if bytes.IndexByte(text, '\\') < 0 {
		if a = s.view.cache.get(text); a == nil {
			a = s.view.analyse(string(text), true, "")
		}
	} else {
		var err error
		if a, err = s.analyseEscaped(ctx, w, text); err != nil {
			return nil, err
		}
	}
	s.parsed(text, a)
	return s.withTemps(s.policed(a)), nil
}

// Message implements proxy.Session.
func (s *session) Message(ctx context.Context, w proxy.Wire, typ byte, body []byte) error {
	defer s.unreckon()
	err := s.message(ctx, w, typ, body)
	if typ == 'E' && err == nil && s.tx != nil && s.tx.implicit && !s.announces && w.Sync() { // one answer to the client, not two
		typ = 'S'
		s.Wants(typ, nil)
		err = s.message(ctx, w, typ, nil)
	}
	if (s.announces || s.reshapes) && err == nil {
		tell := s.db.reshape
		switch {
		case s.renamesDatabases:
			tell = s.j.announce
		case s.announces:
			tell = s.db.announce
		}
		s.announces, s.reshapes, s.renamesDatabases = false, false, false
		tell()
		if typ != 'Q' || w.TxStatus() != 'I' { // else it has committed by now
			w.OnIdle(tell)
		}
	}
	if errors.Is(err, proxy.ErrCopyIn) && typ == 'S' {
		s.clean = false // the server ignores it
	}
	if err != nil {
		s.leave()
	}
	return err
}

func (s *session) message(ctx context.Context, w proxy.Wire, typ byte, body []byte) error {
	s.introduce(w)
	if err := s.releaseBind(ctx, w, typ, body); err != nil {
		return err
	}
	if typ == 'H' {
		w.Forward()
		return nil
	}
	if err := s.endPortals(ctx, w); err != nil {
		return err
	}
	apart, err := s.apart(ctx, w, typ, body)
	if err != nil {
		return err
	}
	if g := s.moreReach; g.any {
		if failed, err := w.Quiesce(ctx); err != nil {
			return err
		} else if s.moreReach = (growth{}); !failed && !s.aborted(w) && !s.alone(w) {
			s.open(w).reaches(g)
		}
	}
	if s.asleep {
		if awake, err := s.wake(ctx, w); err != nil || !awake {
			return err
		}
	}
	if s.mustLook(typ, body) {
		switch err := s.refresh(ctx, w); {
		case errors.Is(err, errFailed): // the client has been told
			if typ == 'Q' || typ == 'F' {
				return s.syncFailed(ctx, w)
			}
			return nil
		case err != nil:
			return err
		}
	}
	if apart != nil {
		if err := s.bindAgain(ctx, w, apart); err != nil {
			return unlessFailed(err)
		}
	}
	err = s.reckon(typ, body)
	if err == nil && typ == 'P' {
		err = s.keep(ctx, w, body)
	}
	switch {
	case errors.Is(err, budget.ErrFull):
		return s.fails(ctx, w, typ == 'Q', noRoomError())
	case err != nil:
		return unlessFailed(err)
	}
	switch typ {
	case 'Q':
		return s.query(ctx, w, body)
	case 'P':
		// Here a query of our own disturbs none of the client's, such as VACUUM; else bind does it.
		if s.wasClean && !s.snapshotless(typ, body) {
			if err := s.relist(ctx, w); err != nil {
				return unlessFailed(err)
			}
		}
		return s.parse(ctx, w, body)
	case 'B':
		return s.bind(ctx, w, body)
	case 'D':
		return s.describe(ctx, w, body)
	case 'E':
		return s.execute(ctx, w, body)
	case 'C':
		return s.closeNamed(ctx, w, body)
	case 'F':
		return s.functionCall(ctx, w, body)
	case 'S':
		defer func() { s.lingers = false }()
		if err := s.lookAtEnd(ctx, w); unlessFailed(err) != nil {
			return err
		}
		if s.litter {
			if swept, err := s.sweep(ctx, w); swept || err != nil {
				return err
			}
		}
		if s.tx != nil {
			return s.sync(ctx, w, body)
		}
		if s.prepares != nil {
			return s.syncPrepared(ctx, w)
		}
	}
	w.Forward()
	return nil
}

// Close implements proxy.Session.
func (s *session) Close() {
	s.leave()
	s.drop()
	s.settled()
	s.forgetPortals()
	s.heldBind = nil
	s.unreckon()
	s.keepNothing()
	s.j.exit(s.db)
}

// open returns the open transaction's record, made on first use. Only after Quiesce.
func (s *session) open(w proxy.Wire) *transaction {
	if s.tx == nil {
		keys := s.j.o.Journal.Gather(s.j.o.Spill)
		if m := s.j.o.Memory; m != nil {
			keys.Within(m)
		}
		s.tx = newTransaction(keys, !s.inBlock(w))
	}
	return s.tx
}

// drop forgets the open transaction's record.
func (s *session) drop() {
	s.unnumbered(context.Background())
	if s.tx != nil {
		s.settleUses(context.Background(), false)
		s.j.windows.end(s.j.o.Now(), s.tx, false)
		if err := s.tx.keys.Close(); err != nil {
			s.j.o.Logger.Warn("captured keys could not be freed", "error", err)
		}
		s.tx = nil
	}
}
