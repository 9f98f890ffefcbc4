package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// check is a CHECK constraint of a table.
type check struct {
	name, expression string // over unqualified column names
	columns          []string
	unproved         bool // NOT VALID: rows from before it may break it
}

// A row whose check is unknown passes. One that is NOT ENFORCED (PG 18) is nobody's.
const checksSQL = `
	SELECT c.conrelid, c.conname, pg_get_expr(c.conbin, c.conrelid),
	       (SELECT string_agg(a.attname, e'\x1f') FROM pg_attribute a WHERE a.attrelid = c.conrelid AND a.attnum = ANY (c.conkey)), (NOT c.convalidated)::text
	FROM pg_constraint c WHERE c.conrelid IN $tables AND c.contype = 'c' AND coalesce(to_jsonb(c) ->> 'conenforced', 'true') = 'true' ORDER BY c.conrelid, c.conname`

func (d *detail) addCheck(v []string) {
	d.checks = append(d.checks, check{v[0], v[1], strings.Split(v[2], "\x1f"), v[3] == "true"})
}

// The constraint of a leaf includes those of the partitions above it; a
// default partition alone has none.
const partitionsSQL = `
	SELECT c.oid, p.relid::oid::text, coalesce(pg_get_partition_constraintdef(p.relid), 'true')
	FROM pg_class c LEFT JOIN LATERAL pg_partition_tree(c.oid) p ON p.isleaf AND p.relid <> c.oid WHERE c.oid IN $tables AND c.relkind = 'p'`

func (d *detail) addPartition(v []string) {
	if d.leaves == nil {
		d.leaves = map[uint32]string{}
	}
	if oid, err := strconv.ParseUint(v[0], 10, 32); err == nil { // else it has none
		d.leaves[uint32(oid)] = v[1]
	}
}

// housed takes out the rows that no partition takes (any more). A key that no
// partition takes hangs on nothing: its row conflicts with the table as it is.
func (r *restore) housed(ctx context.Context, t *table) error {
	if t.detail.leaves == nil {
		return nil
	}
	taken := []string{"false"}
	for _, o := range slices.Sorted(maps.Keys(t.detail.leaves)) {
		taken = append(taken, "("+t.detail.leaves[o]+")")
	}
	return r.production.exec(ctx, fmt.Sprintf(`
		WITH d AS (DELETE FROM %[1]s WHERE (%[2]s) IS NOT TRUE RETURNING *)
		INSERT INTO %[3]s (%[4]s, rowback_class, rowback_reason) SELECT %[4]s, '%[5]s', %[6]s FROM d`,
		t.in, strings.Join(taken, " OR "), t.left, list("", t.columns), classConflict,
		literal("no partition of "+t.name()+" takes it; attach one that does, then restore again")))
}

// refuseUnfit refuses rows that would break a rule of production's table that
// the recovery database did not know: each rule once, with how many rows. It
// must be called after classify, so that only rows to be inserted count.
func (r *restore) refuseUnfit(ctx context.Context) error {
	var problems []string
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		unknown, err := r.refuseUnknown(ctx, t)
		if err != nil {
			return err
		}
		problems = append(problems, unknown...)
		mend := func(column string) string {
			return fmt.Sprintf("give them a value in the configuration: restore: {tables: {%s: {columns: {%s: SQL}}}}", t.name(), column)
		}
		for _, c := range t.live.Columns {
			if !c.NotNull || !t.hasAll([]string{c.Name}) {
				continue
			}
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s IS NULL", t.in, quote(c.Name)))
			if err != nil {
				return err
			}
			if n > 0 {
				problems = append(problems, fmt.Sprintf("%s.%s is NOT NULL in production, and %s have no value there; %s", t.name(), c.Name, plural(n, "row"), mend(c.Name)))
			}
		}
		for _, c := range t.detail.checks {
			if !t.hasAll(c.columns) {
				continue
			}
			n, err := r.broken(ctx, t, c)
			if err != nil {
				return err
			}
			if n > 0 {
				problems = append(problems, fmt.Sprintf("%s of %s break its CHECK constraint %s: %s; %s", plural(n, "row"), t.name(), c.name, c.expression, mend(c.columns[0])))
			}
		}
	}
	return refuse(Unfit, problems...)
}

// broken counts the rows that break a check.
func (r *restore) broken(ctx context.Context, t *table, c check) (n int64, err error) {
	err = r.asking(ctx, func() (err error) {
		n, err = r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE (%s) IS FALSE", t.in, c.expression))
		return err
	})
	return n, err
}

// asking asks a check of staged rows. One that cannot be asked of them (it speaks
// of the whole row) is left to the insert or the update. The savepoint must be gone
// afterwards: rows written under it would bear its id, not the transaction's, by
// which an undo knows them.
func (r *restore) asking(ctx context.Context, do func() error) error {
	if err := r.production.exec(ctx, "SAVEPOINT rowback_check"); err != nil {
		return err
	}
	err := do()
	if err != nil && sqlState(err) != "" {
		return r.production.exec(ctx, "ROLLBACK TO rowback_check; RELEASE rowback_check")
	}
	if err != nil {
		return err
	}
	return r.production.exec(ctx, "RELEASE rowback_check")
}
