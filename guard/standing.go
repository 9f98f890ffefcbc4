package guard

import "github.com/rowback/rowback/proxy"

// Where a session stands between transactions, as far as that is known here.

// inBlock reports whether a transaction block is open. Where a Sync was ignored that
// is not known, and evidence comes before whatever may commit. Only after Quiesce.
func (s *session) inBlock(w proxy.Wire) bool {
	return !w.Ignored() && (s.block > 0 || s.block == 0 && w.TxStatus() != 'I' && !s.lingers)
}

// aborted reports whether an open block has failed: ReadyForQuery says so, and nothing
// was executed since, which would have failed but for what ends that. Only after a
// Quiesce that reports no failure.
func (s *session) aborted(w proxy.Wire) bool {
	return w.TxStatus() == 'E' && !s.hasRun && !w.Ignored()
}

// alone reports whether what goes to the server now is in no transaction of the
// client's that a Sync would end, nor its portals. Only after Quiesce.
func (s *session) alone(w proxy.Wire) bool {
	return !s.hasRun && !s.hasBound && w.TxStatus() == 'I' && !w.Ignored()
}

// endsWith reports whether the next message that the server ends an implicit
// transaction with ends one that is known here. Only after Quiesce.
func (s *session) endsWith(w proxy.Wire) bool {
	return s.tx != nil && s.tx.implicit && !s.inBlock(w)
}
