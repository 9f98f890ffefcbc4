package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// insert writes the staged rows, one statement for each group of the plan's
// order. Foreign keys are checked at the end of a statement, so rows that refer
// to each other, in one table or in a circle of tables, need no order.
func (r *restore) insert(ctx context.Context, plan *Plan) error {
	if err := r.quietly(ctx, r.replica); err != nil {
		return err
	}
	if err := r.lockDeferrable(ctx); err != nil {
		return err
	}
	r.o.Progress.Start("inserting", plan.Restored)
	for _, group := range plan.groups {
		var ctes, counts []string
		for i, t := range group {
			if t.count.Restored == 0 {
				continue
			}
			var parts []string
			for _, k := range t.used { // columns that are not known get their default
				ctes = append(ctes, fmt.Sprintf("i%d_%d AS (INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s WHERE rowback_kind = %d RETURNING 1)",
					i, k, t.live.QuotedName(), list("", t.kinds[k]), list("", t.kinds[k]), t.in, k))
				parts = append(parts, fmt.Sprintf("(SELECT count(*) FROM i%d_%d)", i, k))
			}
			counts = append(counts, strings.Join(parts, " + "))
		}
		if len(ctes) == 0 {
			continue
		}
		inserted, err := r.production.numbers(ctx, r.production.openly("WITH "+strings.Join(ctes, ", ")+" SELECT "+strings.Join(counts, ", ")))
		if err != nil {
			return writeError("inserting into", group, err)
		}
		n := 0
		for _, t := range group {
			if t.count.Restored == 0 {
				continue
			}
			if inserted[n] != t.count.Restored {
				return &errRace{what: fmt.Sprintf("%s: %d rows were to be inserted, %d were; a BEFORE trigger dropped rows%s",
					t.name(), t.count.Restored, inserted[n], r.blame())}
			}
			n++
			r.o.Progress.Add(t.count.Restored)
		}
	}
	return r.lockParents(ctx)
}

func writeError(doing string, group []*table, err error) error {
	if race := new(errRace); errors.As(raced(err), &race) {
		return race
	}
	return fmt.Errorf("%s %s: %w", doing, group[0].name(), err)
}

// raced makes a broken foreign key, unique or exclusion constraint a race: the plan
// had seen none, so another session was there since.
func raced(err error) error {
	switch sqlState(err) {
	case "23503", "23505", "23P01":
		var said *pgconn.PgError
		_ = errors.As(err, &said) // it has a code, so there is one
		return &errRace{what: err.Error(), schema: said.SchemaName, table: said.TableName}
	}
	return err
}

// leaveOutOf is how to do without a row that is in the way each time: the plan does not
// see every conflict, such as one over an index that reads the whole row.
func (r *restore) leaveOutOf(race *errRace) string {
	live := r.production.catalog.Lookup(race.schema, race.table)
	if live == nil || r.byOID[live.Root().OID] == nil {
		return ""
	}
	return fmt.Sprintf("leave the row out, in the configuration: restore: {tables: {%s: {where: SQL}}}", display(live.Root()))
}

// lockDeferrable keeps other writers out of tables with a deferrable unique or
// exclusion constraint, where triggers are quiet: the re-check of such a
// constraint is a trigger, and two sessions might miss each other's rows.
func (r *restore) lockDeferrable(ctx context.Context) error {
	for _, t := range r.tables {
		for _, a := range t.detail.arbiters {
			if r.replica && a.deferrable && t.count.Restored > 0 {
				if err := r.production.exec(ctx, "LOCK TABLE "+a.of(t.live)+" IN SHARE ROW EXCLUSIVE MODE"); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// lockParents does what quiet foreign-key triggers would have done, and what
// nothing does for polymorphic references: it locks every live parent of an
// inserted row, so that none can go before we commit. Parents inserted here are ours alone until then.
func (r *restore) lockParents(ctx context.Context) error {
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		for _, ref := range t.references() {
			if !r.replica && !ref.polymorphic() {
				continue // its own trigger did
			}
			own := ""
			if p := r.byOID[ref.Parent.Root().OID]; p != nil && len(p.key) > 0 {
				own = fmt.Sprintf(" AND NOT EXISTS (SELECT FROM %s o WHERE %s)", p.in, p.equal("o", "p"))
			}
			err := r.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT FROM %s p WHERE EXISTS (SELECT FROM %s WHERE %s AND %s)%s FOR KEY SHARE OF p) x",
				only(ref.Parent), t.inserted("c", ref), ref.applies("c"), ref.refers("p", ref.values("c")), own))
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// inserted is a FROM item of the inserted rows that ref may apply to: the
// staged rows, or, where the backup lacks a column, it is a generated one, or only
// a partition has the foreign key, the live ones.
func (t *table) inserted(alias string, ref reference) string {
	made := slices.ContainsFunc(ref.reads(), func(c string) bool { return t.derived[c] != nil })
	if t.hasAll(ref.reads()) && !made && ref.Child == t.live {
		return t.in + " " + alias
	}
	return fmt.Sprintf("%s %s JOIN %s rowback_s ON %s", only(ref.Child), alias, t.in, t.is(alias, "rowback_s"))
}
