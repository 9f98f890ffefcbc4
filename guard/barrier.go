package guard

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// barrier makes the open transaction's evidence durable, before the message
// that commits it is sent. It returns the entry, nil if nothing was removed.
func (s *session) barrier(ctx context.Context) (*journal.Entry, error) {
	tx := s.tx
	if tx == nil || !s.evident(tx.removals) {
		return nil, nil
	}
	if err := tx.counting.err; err != nil {
		s.j.unjournalled(err)
		return nil, err
	}
	e := s.entry(journal.InDoubt)
	e.XID, e.Server, e.Prepared = tx.xid, tx.server, strings.ReplaceAll(tx.gid, "\x7f", "\uFFFD")
	e.Server.SystemID = s.db.server.get()
	e.Statements, e.Tables, e.Rows = tx.removals.statements(), tx.removals.tables, tx.removals.rows
	if tx.removals.judged {
		e.Application = tx.removals.as
	}
	e.Alert, e.Rule, e.Allowed = tx.removals.over, tx.removals.rule, tx.removals.allowed
	s.j.windows.name(tx, e.ID)
	err := s.j.append(ctx, e, tx.keys)
	if err != nil {
		s.j.health.failed(err)
		s.j.o.Metrics.JournalErrors.Inc()
		s.j.o.Logger.Error("evidence of a deletion could not be made durable; it is refused", "database", s.db.name, "user", s.info.User, "rows", e.Rows, "error", err)
		return nil, err
	}
	s.pending = e
	return e, nil
}

func (j *Judge) append(ctx context.Context, e *journal.Entry, keys *journal.Keys) error {
	j.appending.Add(1)
	defer j.appending.Add(-1)
	return j.o.Journal.Append(ctx, e, keys)
}

// evident reports whether what a transaction did needs evidence: rows gone
// that some rule judges, or did when they went, or rows changed over a limit.
func (s *session) evident(r removals) bool {
	return r.over != "" || len(r.allowed) > 0 || r.judged || s.rules.judges(r.tables)
}

// leave gives up an entry whose outcome this session will not see: the next one
// to look settles it. What its transaction took of allowances and windows stays
// taken: it may have committed.
func (s *session) leave() {
	if s.pending == nil {
		return
	}
	back := s.givesBack()
	s.settleUses(context.Background(), true)
	s.settleWindows()
	s.db.doubt(s.pending.ID, doubt{back: back})
	s.pending = nil
}

// givesBack returns what is to be done if the open transaction, which counts as
// committed from now on, was rolled back. nil: nothing.
func (s *session) givesBack() func(context.Context) {
	tx, j, at := s.tx, s.j, s.j.o.Now()
	if tx == nil {
		return nil
	}
	uses := tx.uses
	s.adapt()
	s.recountWindows()
	windows := j.windows.of(tx)
	if len(uses) == 0 && len(windows.rows) == 0 {
		return nil
	}
	return func(ctx context.Context) {
		for id, u := range uses {
			if err := j.o.Journal.Unuse(ctx, id, u.name); err != nil {
				j.o.Logger.Warn("an allowance stays used by a transaction that was rolled back", "id", id, "error", err)
			}
		}
		j.windows.takeBack(at, windows)
	}
}

// doubt is leave, with the transaction done with.
func (s *session) doubt() {
	s.leave()
	s.drop()
}

// sync handles the Sync that ends an implicit transaction which removed rows.
func (s *session) sync(ctx context.Context, w proxy.Wire, body []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	block := s.inBlock(w)
	if !s.tx.implicit || block {
		if w.TxStatus() == 'I' && !block { // ended where we did not see it
			s.lost(ctx)
		}
		if s.tx != nil {
			s.tx.implicit = s.tx.implicit && !block
		}
		w.Forward()
		return nil
	}
	if failed {
		s.drop()
		w.Forward()
		return nil
	}
	return s.commitImplicit(ctx, w, 'S', nil, nil)
}

// commitImplicit sends the message that commits an implicit transaction, a Sync
// or what does as one does (see amid), or dooms the transaction first if
// its evidence cannot be kept. complete, unless nil, is called if it committed,
// before the client is told that the server is ready.
func (s *session) commitImplicit(ctx context.Context, w proxy.Wire, end byte, body []byte, complete func() error) error {
	if err := s.fireDeferred(ctx, w); errors.Is(err, errFailed) {
		s.drop()
		return s.syncFailed(ctx, w)
	} else if err != nil {
		return err
	}
	e, err := s.barrier(ctx)
	if err != nil {
		s.drop()
		if err := s.refuse(ctx, w, noEvidenceError()); err != errFailed {
			return err
		}
		return s.syncFailed(ctx, w)
	}
	w.Send(end, body)
	outcome, lingered := journal.Committed, s.lingers
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err // the entry stays in doubt
		}
		if typ == 'Z' {
			s.lingering(false, body)
			switch {
			case outcome != journal.Committed && end != 'S': // a procedure may have committed before that failed
				s.doubt()
			case outcome == journal.Committed && (lingered || s.lingers):
				s.doubt()
			default:
				s.ended(ctx, e, outcome)
			}
			if outcome == journal.Committed && complete != nil {
				if err := complete(); err != nil {
					return err
				}
			}
			return w.Reply(typ, body)
		}
		if typ == 'E' {
			outcome = journal.RolledBack
		}
		_ = w.Reply(typ, body) // the client may be gone: the outcome still counts
		if typ == 'G' {
			if err := w.CopyIn(ctx); err != nil {
				return err
			}
		}
	}
}

// lost notes a transaction that committed without rowback seeing its end: the
// evidence is late, but it is kept.
func (s *session) lost(ctx context.Context) {
	s.j.o.Logger.Error("a deleting transaction ended unseen", "database", s.db.name, "user", s.info.User, "xid", s.tx.xid)
	if _, err := s.barrier(ctx); err == nil {
		s.doubt()
	}
}

// health remembers whether the journal failed last time.
type health struct {
	// mu guards the rest.
	mu  sync.Mutex
	err error
	// tried is when the journal was tried last.
	tried time.Time
	// said is what the log has of it since it worked last.
	said string
	// owed is what could not be read from a journal that was away at the start, and
	// must be before anything is judged; nil: nothing.
	owed func(context.Context) error
}

func (h *health) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.err = err
}

// evidenceReady returns an error while the journal cannot be written: then a
// deleting statement is refused before it runs. It tries the journal again
// each time, so that deletes work as soon as it does; once for all that ask meanwhile,
// which may take long.
func (s *session) evidenceReady(ctx context.Context) error {
	err := s.j.health.ready(ctx, s.j.o.Journal)
	if err != nil {
		s.j.unjournalled(err)
	}
	return err
}

func (h *health) ready(ctx context.Context, of journal.Journal) error {
	asked := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.err == nil || h.tried.After(asked) {
		return h.err
	}
	h.tried = time.Now()
	if h.err = of.Ping(ctx); h.err == nil && h.owed != nil {
		if h.err = h.owed(ctx); h.err == nil {
			h.owed = nil
		}
	}
	if h.err == nil {
		h.said = ""
	}
	return h.err
}

// unjournalled logs why deletions are refused, once for all that are for the same reason.
func (j *Judge) unjournalled(err error) {
	j.health.mu.Lock()
	first := j.health.said != err.Error()
	j.health.said = err.Error()
	j.health.mu.Unlock()
	if first {
		j.o.Logger.Error("deletions are refused: their evidence cannot be made durable", "error", err)
	}
}
