package guard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// A transaction at REPEATABLE READ or SERIALIZABLE reads tables as its snapshot shows
// them; TRUNCATE and DROP take what is there. No query tells what that is, but the
// server looks at each row that is there when a constraint is added. So one is added
// that counts them, and is taken back at once: the lock that it needs is held by then.
// It is for the table's owner only.

// changedSince is why the keys that a snapshot shows are not recorded.
const changedSince = "others have changed the table since this transaction's snapshot was taken"

// rowsOf is how many rows of a table are there, and whether a query shows just these.
func (r *run) rowsOf(ctx context.Context, t *catalog.Table) (n int64, same bool, err error) {
	if r.ahead || !r.s.tx.fixed || t.Kind != 'r' {
		n, err = r.count(ctx, t)
		return n, true, err
	}
	n, same, known, err := r.present(ctx, t)
	if err == nil && !known {
		r.vanished(t.OID)
	}
	return n, same, err
}

// present is how many rows a locked table has now, and whether they are those that the
// snapshot shows, as far as they are to be kept. known: that can be told; else n is the
// server's estimate, or as many as the snapshot shows.
func (r *run) present(ctx context.Context, t *catalog.Table) (n int64, same, known bool, err error) {
	q := lookup{w: r.w}
	size, err := one(ctx, q, fmt.Sprintf("SELECT pg_catalog.pg_relation_size('%d'::pg_catalog.oid::pg_catalog.regclass)::pg_catalog.text", t.OID))
	if err != nil || size == "0" {
		return 0, true, true, err
	}
	if _, err := q.Query(ctx, "DO "+literal(r.adding(t))); err != nil {
		return 0, false, false, err
	}
	rows, err := q.Query(ctx, fmt.Sprintf("SELECT pg_catalog.current_setting('rowback.rows'), pg_catalog.count(*)::pg_catalog.text, COALESCE(pg_catalog.sum(%s::pg_catalog.numeric), 0)::pg_catalog.text,"+
		" (SELECT GREATEST(c.reltuples::pg_catalog.int8, pg_catalog.pg_stat_get_live_tuples(c.oid)) FROM pg_catalog.pg_class c WHERE c.oid OPERATOR(pg_catalog.=) '%d'::pg_catalog.oid)::pg_catalog.text FROM ONLY %s x",
		r.hashed("x", t), t.OID, t.QuotedName()))
	if err != nil {
		return 0, false, false, err
	}
	if len(rows) != 1 {
		return 0, false, false, fmt.Errorf("%w: count", errMalformed)
	}
	found, sum, known := strings.Cut(text(rows[0][0]), " ")
	if !known {
		for _, as := range []string{text(rows[0][1]), text(rows[0][3])} {
			if x, err := strconv.ParseInt(as, 10, 64); err == nil {
				n = max(n, x)
			}
		}
		return max(n, 1), false, false, nil
	}
	n, err = strconv.ParseInt(found, 10, 64)
	return n, found == text(rows[0][1]) && sum == text(rows[0][2]), true, err
}

// adding is the body of a block that leaves the number of the rows that are there, and the
// sum of their hashes, in a setting of the transaction; nothing, if it cannot.
func (r *run) adding(t *catalog.Table) string {
	const rows, sum = "'rowback.rows'", "'rowback.sum'"
	add := func(to, number, typ string) string {
		return "pg_catalog.set_config(" + to + ", (pg_catalog.current_setting(" + to + ")::" + typ + " OPERATOR(pg_catalog.+) " + number + "::" + typ + ")::pg_catalog.text, true) IS NOT NULL"
	}
	return "DECLARE found pg_catalog.text := ''; BEGIN BEGIN" +
		" PERFORM pg_catalog.set_config(" + rows + ", '0', true), pg_catalog.set_config(" + sum + ", '0', true);" +
		" ALTER TABLE ONLY " + t.QuotedName() + ` ADD CONSTRAINT "rowback: rows" CHECK (` + add(rows, "1", "pg_catalog.int8") + " AND " + add(sum, r.hashed(quote(t.Name), t), "pg_catalog.numeric") + ") NO INHERIT;" +
		" found := pg_catalog.concat(pg_catalog.current_setting(" + rows + "), ' ', pg_catalog.current_setting(" + sum + "));" +
		" RAISE EXCEPTION 'counted'; EXCEPTION WHEN OTHERS THEN NULL; END;" +
		" PERFORM pg_catalog.set_config(" + rows + ", found, true); END"
}

// hashed is a number for a row, by what is to be kept of it.
func (r *run) hashed(qualifier string, t *catalog.Table) string {
	share := r.shareOf(t)
	exprs, _ := r.keeps(qualifier, t, &share)
	if len(exprs) == 0 {
		return "0"
	}
	return "pg_catalog.hashtextextended(pg_catalog.concat_ws(',', " + strings.Join(exprs, ", ") + `) COLLATE pg_catalog."C", 0)`
}

// visible are all relations that the snapshot shows, and those that the transaction has
// locked, before a statement takes some of them.
func (r *run) visible(ctx context.Context) (err error) {
	if r.s.tx.fixed {
		r.shown, err = r.relations(ctx, "SELECT oid::pg_catalog.text FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid UNION ALL SELECT l.relation::pg_catalog.text"+ownLocks)
	}
	return err
}

const ownLocks = " FROM pg_catalog.pg_locks l WHERE l.pid OPERATOR(pg_catalog.=) pg_catalog.pg_backend_pid() AND l.locktype OPERATOR(pg_catalog.=) 'relation'" +
	" AND l.mode OPERATOR(pg_catalog.=) 'AccessExclusiveLock' AND l.granted AND l.relation OPERATOR(pg_catalog.>=) '16384'::pg_catalog.oid"

// invisible notes what a statement has taken that was made since the snapshot, a
// partition: the lock tells, and that its columns do not show. Of what is dropped only
// where it was asked before.
func (r *run) invisible(ctx context.Context) error {
	if !r.s.tx.fixed || r.plan != nil {
		return nil
	}
	still := " AND pg_catalog.pg_relation_size(l.relation) IS NOT NULL"
	if r.shown != nil {
		still = ""
	}
	locked, err := r.relations(ctx, "SELECT l.relation::pg_catalog.text"+ownLocks+" AND NOT EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid OPERATOR(pg_catalog.=) l.relation)"+still)
	if err != nil {
		return err
	}
	for _, o := range slices.Sorted(maps.Keys(locked)) {
		if _, known := r.before.tables[o]; known || r.shown[o] || r.taken[o] {
			continue
		}
		r.vanished(o)
		r.uncounted(o, r.toomany(o), "the table was made since this transaction's snapshot was taken"+anEstimate)
		break // the rest are its indexes
	}
	return nil
}

func (r *run) relations(ctx context.Context, sql string) (map[uint32]bool, error) {
	rows, err := lookup{w: r.w}.Query(ctx, sql)
	if err != nil {
		return nil, err
	}
	all := make(map[uint32]bool, len(rows))
	for _, row := range rows {
		o, err := strconv.ParseUint(text(row[0]), 10, 32)
		if err != nil {
			return nil, err
		}
		all[uint32(o)] = true
	}
	return all, nil
}

// mayCount refuses a statement that takes rows which cannot be counted, where a rule does.
func (r *run) mayCount(ctx context.Context) error {
	names, rule := r.unvouched()
	if len(names) == 0 {
		return nil
	}
	return r.refuse(ctx, verdict{rule: rule, limit: notRows, reason: hiddenBySnapshot,
		what: "would take rows of " + strings.Join(names, ", ") + " that this transaction's snapshot does not show, and how many cannot be counted"}, r.since())
}
