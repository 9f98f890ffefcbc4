package guard

import (
	"context"
	"errors"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// beforeControl makes the evidence durable before a transaction-control
// statement that may commit is sent. If it cannot be, the transaction is rolled
// back in the statement's stead and the client told. Only after Quiesce.
func (s *session) beforeControl(ctx context.Context, w proxy.Wire, st judged, aborted bool) (*journal.Entry, error) {
	if s.tx == nil || aborted || st.Verb != sqlparse.Commit && st.Verb != sqlparse.PrepareTransaction {
		return nil, nil
	}
	s.tx.gid = st.GID
	if err := s.fireDeferred(ctx, w); errors.Is(err, errFailed) {
		return nil, s.failCommit(ctx, w)
	} else if err != nil {
		return nil, err
	}
	closing := 2
	if s.evident(s.tx.removals) { // a session that has sent something is not idle in its transaction, however long this takes
		closing++
		w.Send('C', target('S', private))
		w.Push()
	}
	e, err := s.barrier(ctx)
	if err == nil {
		return e, nil
	}
	s.drop()
	// A COMMIT that fails ends the block: roll it back, then fail.
	w.Send('C', target('S', private))
	w.Send('P', parseBody(private, "ROLLBACK", nil))
	w.Send('B', bindText(private, private))
	w.Send('E', executeBody(private))
	w.Send('C', target('S', private))
	w.Send('H', nil)
	for closed := 0; closed < closing; {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return nil, err
		}
		switch typ {
		case '3':
			closed++
		case 'E':
			return nil, s.fault(w, errors.New(errorText(body)))
		}
	}
	return nil, s.refuse(ctx, w, noEvidenceError())
}

// afterControl notes what a transaction-control statement did, by its tag.
func (s *session) afterControl(ctx context.Context, st judged, tag string, e *journal.Entry, failed bool) error {
	s.renamesEnd()
	s.viewEndsBy(st.Verb)
	switch st.Verb {
	case sqlparse.Begin:
		if !failed {
			s.block = 1
			if s.tx != nil {
				s.tx.implicit = false // what was removed before joins the block
			}
		}
	case sqlparse.Commit:
		s.endBlock(st.Chain)
		if tag == "COMMIT" && !failed {
			s.ended(ctx, e, journal.Committed)
		} else {
			s.ended(ctx, e, journal.RolledBack)
		}
	case sqlparse.Rollback:
		if !failed {
			s.endBlock(st.Chain)
			s.drop()
		}
	case sqlparse.PrepareTransaction:
		s.endBlock(false)
		switch {
		case failed:
			s.ended(ctx, e, journal.RolledBack)
		case tag == "PREPARE TRANSACTION":
			s.prepares = e
			s.doubt() // until its transaction is finished by anyone
		default: // outside a block the server says ROLLBACK, and commits: it is asked
			s.doubt()
		}
	case sqlparse.Savepoint:
		if s.tx != nil && !failed {
			s.tx.savepoint(st.Savepoint)
		}
	case sqlparse.Release:
		if s.tx != nil && !failed {
			s.tx.release(st.Savepoint)
		}
	case sqlparse.RollbackTo:
		if s.tx != nil && !failed {
			err := s.tx.rollbackTo(st.Savepoint)
			s.recountWindows()
			return err
		}
	case sqlparse.CommitPrepared, sqlparse.RollbackPrepared:
		if !failed {
			s.db.ticks.Add(1) // its entry can be settled now
			s.db.announce()   // it may have changed the catalog
		}
	}
	return nil
}

func (s *session) endBlock(chain bool) {
	if s.block = -1; chain {
		s.block = 1
	}
}
