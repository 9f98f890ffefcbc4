package guard

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// A table that a transaction has rewritten (ALTER TABLE, CLUSTER) has a file of its own,
// which the server empties in place for a later TRUNCATE: nothing that is counted shows
// that. In a subtransaction it makes another file, as for any table. Where there can be
// none, outside a block, the file's size tells, unless rows have come into it since.

// shield is the savepoint that a statement runs behind which may truncate such a table.
const shield = `"rowback: shield"`

// file is what is known of a table's file: its bytes, and rows that the transaction has inserted.
type file struct{ size, inserted int64 }

// rewritten finds out whether the transaction may have rewritten tables before the statement.
func (r *run) rewritten(ctx context.Context) (err error) {
	r.s.renamesStay(r.w)
	if r.plan != nil && !r.plan.all || !r.s.renamed {
		return nil
	}
	if r.files, err = r.ownFiles(ctx); err != nil {
		return err
	}
	r.shielded = len(r.files) > 0 && r.s.inBlock(r.w) && !freezes(r.st)
	return nil
}

// ownFiles are the tables that the transaction may have rewritten: it has locked them, has
// not made them, their files are not those that they had before, as far as is known, and
// rowback has not seen it empty them.
func (r *run) ownFiles(ctx context.Context) (map[uint32]file, error) {
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT c.oid::pg_catalog.text, pg_catalog.pg_relation_size(c.oid)::pg_catalog.text, pg_catalog.pg_stat_get_xact_tuples_inserted(c.oid)::pg_catalog.text, c.relfilenode::pg_catalog.text FROM pg_catalog.pg_class c"+
		" WHERE pg_catalog.pg_stat_get_xact_tuples_updated('pg_catalog.pg_class'::pg_catalog.regclass) OPERATOR(pg_catalog.>) 0::pg_catalog.int8 AND c.relkind OPERATOR(pg_catalog.=) 'r' AND c.relpersistence OPERATOR(pg_catalog.<>) 't'"+
		" AND c.oid OPERATOR(pg_catalog.=) ANY (ARRAY(SELECT l.relation"+ownLocks+"))"+
		" AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) c.oid AND a.attname OPERATOR(pg_catalog.=) 'tableoid' AND a.xmin OPERATOR(pg_catalog.=) pg_catalog.pg_current_xact_id_if_assigned()::pg_catalog.xid)")
	if err != nil {
		return nil, err
	}
	files := map[uint32]file{}
	for _, row := range rows {
		o, err := strconv.ParseUint(text(row[0]), 10, 32)
		if err != nil {
			return nil, err
		}
		var f file
		if f.size, err = strconv.ParseInt(text(row[1]), 10, 64); err != nil {
			return nil, err
		}
		if f.inserted, err = strconv.ParseInt(text(row[2]), 10, 64); err != nil {
			return nil, err
		}
		if !r.s.tx.emptied[uint32(o)] && !r.s.hasFile(uint32(o), text(row[3])) {
			files[uint32(o)] = f
		}
	}
	return files, nil
}

// hasFile reports whether a table's file is the one that it had when the catalog was read:
// the transaction has given it no other.
func (s *session) hasFile(o uint32, file string) bool {
	for _, v := range []*view{s.view, s.db.view.Load()} { // of the session's own, its own changes are left out
		if v == nil {
			continue
		}
		if t := v.snap.Tables[o]; t != nil && t.File != 0 && strconv.FormatUint(uint64(t.File), 10) == file {
			return true
		}
	}
	return false
}

// emptied notes what may have been emptied in place.
func (r *run) emptied(ctx context.Context) error {
	if r.shielded || len(r.files) == 0 {
		return nil
	}
	files, err := r.ownFiles(ctx)
	if err != nil {
		return err
	}
	for _, o := range slices.Sorted(maps.Keys(r.files)) {
		if now, still := files[o]; still && !r.taken[o] && (now.size < r.files[o].size || now.inserted > 0) && r.files[o].size > 0 {
			r.estimated(o, r.before.tables[o], "the transaction has rewritten the table, and may have truncated it then")
		}
	}
	return nil
}

// empties notes a table that is about to be truncated: what is in it then is the transaction's own.
func (t *transaction) empties(o uint32) {
	if t.emptied == nil {
		t.emptied = map[uint32]bool{}
	}
	t.emptied[o] = true
}

// freezes reports whether a statement is a COPY that the server takes in the subtransaction
// alone in which the table was truncated or made.
func freezes(st judged) bool {
	return st.CopyIn && strings.Contains(strings.ToLower(st.Text), "freeze")
}
