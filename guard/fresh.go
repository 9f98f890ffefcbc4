package guard

import (
	"context"
	"regexp"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// What the session knows of the catalog and of names, and when that is to be looked at again.

// firstLook reports whether the catalog is still to be read at all, and here that is not
// yet amid what is the client's.
func (s *session) firstLook() bool { return s.wasClean && s.view == nil && s.stale() && s.view == nil }

// stale reports whether the catalog is to be looked at first.
func (s *session) stale() bool {
	if s.private {
		return s.redefined || s.reshaped || s.readIn != s.exchange
	}
	old := s.view
	if s.view = s.db.view.Load(); old != nil && s.view != nil {
		g := s.view.growth(old)
		s.moreReach = growth{s.moreReach.any || g.any, s.moreReach.called || g.called}
	}
	stale, _ := s.db.stale(s.view)
	return stale || s.redefined || s.reshaped
}

// mustLook is stale for a whole message.
func (s *session) mustLook(typ byte, body []byte) bool {
	return typ != 'S' && s.stale() && !(s.view != nil && (s.snapshotless(typ, body) || s.unaffectedBy(typ, body)))
}

// staleFor is stale, for a query text. In the middle of a transaction a look at the
// catalog takes a snapshot, before which SET TRANSACTION and LOCK have to come.
func (s *session) staleFor(text []byte) bool {
	return s.stale() && (s.view == nil || !sqlparse.Snapshotless(text) && !s.unaffected(text))
}

// staleBound is stale for a Bind: in a transaction that has changed the catalog itself
// these come in numbers, and are looked at where something may be new.
func (s *session) staleBound(body []byte) bool {
	stale := s.stale() // takes the view in force
	if s.redefined || !s.db.reaches(s.view) {
		return true
	}
	if !stale || !s.reshaped && !s.db.reshaped(s.view) {
		return false
	}
	return !s.unaffectedBy('B', body)
}

// changed notes what a statement that succeeded may have changed for later ones.
func (s *session) changed(st judged) {
	s.defines(st)
	if st.DDL && st.Shapes && st.route == routePlain {
		s.reshaped, s.reshapes = true, true
		s.epoch++
	} else if st.DDL {
		s.redefined = true
		if s.hasRun && st.Verb != sqlparse.Do && st.Verb != sqlparse.Call { // of these conclude knows
			s.overtaken = s.exchange
		}
		s.announces = s.announces || !st.Temporary
		s.renamesDatabases = s.renamesDatabases || ofDatabases.MatchString(st.Text)
		s.epoch++
	}
	if st.ChangesNames {
		s.epoch++
	}
	if st.Prepares || st.route == routeCount { // a function may have
		s.prepared.text = true
	}
	if st.DDL || st.ChangesNames {
		s.renamed, s.renamedIn = true, s.exchange
	}
}

// ofDatabases is DDL by which a name may stand for another database.
var ofDatabases = regexp.MustCompile(`(?i)\bdatabase\b`)

// viewEndsBy is viewEnds where a statement is what ends it.
func (s *session) viewEndsBy(v sqlparse.Verb) {
	if exits(v) {
		s.viewEnds()
	}
}

// exits reports whether a statement ends a transaction, or a part of it: a block that has
// failed takes no other.
func exits(v sqlparse.Verb) bool {
	switch v {
	case sqlparse.Commit, sqlparse.Rollback, sqlparse.RollbackTo, sqlparse.PrepareTransaction:
		return true
	}
	return false
}

// viewEnds: the transaction, or a part of it, may end here, and what it changed of the
// catalog is gone, or there for all.
func (s *session) viewEnds() {
	if s.private {
		s.redefined = true
	}
	if s.temps != nil && s.temps.within {
		s.temps.due, s.redefined = true, true
	}
}

// lookAtEnd looks at the catalog before an implicit transaction ends that has changed it,
// after something else ran: what that deferred runs as it is now. errFailed: the client
// has been told.
func (s *session) lookAtEnd(ctx context.Context, w proxy.Wire) error {
	if !s.redefined || s.overtaken != s.exchange {
		return nil
	}
	failed, err := w.Quiesce(ctx)
	if err != nil || failed || s.inBlock(w) {
		return err
	}
	if err := s.refresh(ctx, w); err != nil {
		return err
	}
	if s.view.snap.Reach.Deferred != "" {
		s.open(w)
	}
	return nil
}

// renamesEnd: a transaction may end here, and with it what it changed of names.
func (s *session) renamesEnd() {
	if s.renamed {
		s.epoch++
	}
}

// renamesStay is renamesEnd for the transactions that ended without a statement
// that says so. Only after Quiesce.
func (s *session) renamesStay(w proxy.Wire) {
	if s.renamed && s.exchange > s.renamedIn && w.TxStatus() == 'I' {
		s.epoch++
		s.renamed = false
	}
}
