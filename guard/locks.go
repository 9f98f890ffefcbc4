package guard

import "context"

// locks are the relations that the transaction has locked as who truncates, rewrites,
// drops or detaches a table does, and keeps until it ends; nil: not asked.
type locks map[uint32]bool

// remade reports whether a statement may have had a part in it that a table is gone, or has
// another file: else another session did that meanwhile. One that commits by itself lets
// its locks go.
func (own *locks) remade(ctx context.Context, r *run, o uint32) (bool, error) {
	if r.st.CommitsItself {
		return true, nil
	}
	if *own == nil {
		var err error
		if *own, err = r.relations(ctx, "SELECT l.relation::pg_catalog.text FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'"+
			" AND l.granted AND l.mode OPERATOR(pg_catalog.<>) ALL ('{AccessShareLock,RowShareLock,RowExclusiveLock}'::pg_catalog.text[])"); err != nil {
			return false, err
		}
	}
	return (*own)[o], nil
}
