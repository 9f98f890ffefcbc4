package recovery

import (
	"context"
	"fmt"
)

// listed is how many offending rows a check names; the count is always whole.
const listed = 5

// verify looks at what was written before it is committed. It returns every
// check, and ErrUnverified, or a race where another session explains it, if
// one of them failed.
func (r *restore) verify(ctx context.Context) ([]Check, error) {
	// Deferred constraints speak now, where their error still has a place.
	if _, err := r.production.change(ctx, "SET CONSTRAINTS ALL IMMEDIATE"); err != nil {
		return nil, raced(err)
	}
	r.o.Progress.Start("verifying", 0)
	var checks []Check
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		for _, check := range []func(context.Context, *table) ([]Check, error){r.verifyRows, r.verifyUnique} {
			c, err := check(ctx, t)
			checks = append(checks, c...)
			if err != nil {
				return checks, err
			}
		}
	}
	fks, err := r.verifyForeignKeys(ctx)
	if err != nil {
		return checks, err
	}
	checks = append(checks, fks...)
	links, err := r.verifyLinks(ctx)
	checks = append(checks, links...)
	if err != nil {
		return checks, err
	}
	changes, err := r.verifyChanges(ctx)
	if err != nil {
		return checks, err
	}
	checks = append(checks, changes...)
	marks, err := r.verifyMarks(ctx)
	if err != nil {
		return checks, err
	}
	checks = append(checks, marks...)
	failed := 0
	for _, c := range checks {
		if !c.OK {
			failed++
		}
	}
	if failed > 0 { // which ones, the report says
		return checks, fmt.Errorf("%w: %s failed%s", ErrUnverified, plural(int64(failed), "check"), r.blame())
	}
	return checks, nil
}

// verifyRows proves that every staged row is in production, bit for bit.
func (r *restore) verifyRows(ctx context.Context, t *table) ([]Check, error) {
	if len(t.key) == 0 {
		return r.verifyKeyless(ctx, t)
	}
	same, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s s JOIN %s l ON %s WHERE %s",
		t.in, only(t.live), t.equal("l", "s"), t.same("l", "s")))
	if err != nil {
		return nil, err
	}
	c := Check{Name: "rows equal: " + t.name(), OK: same == t.count.Restored, Detail: fmt.Sprintf("%d of %d inserted rows equal %s", same, t.count.Restored, t.origin())}
	if !c.OK {
		rows, err := r.production.rows(ctx, fmt.Sprintf(`
			SELECT %s || CASE WHEN %s THEN ' is not there' ELSE ' differs in ' || %s END
			FROM %s s LEFT JOIN %s l ON %s WHERE NOT (%s) OR %s ORDER BY %s LIMIT %d`,
			shown(t.key, "s", t.key), "l."+quote(t.key[0])+" IS NULL", t.differs("l", "s"),
			t.in, only(t.live), t.equal("l", "s"), t.same("l", "s"), "l."+quote(t.key[0])+" IS NULL", list("s.", t.key), listed))
		if err != nil {
			return nil, err
		}
		for _, row := range rows {
			c.Rows = append(c.Rows, *row[0])
		}
	}
	return []Check{c}, nil
}

// origin is whose rows the restored ones are.
func (t *table) origin() string {
	switch t.count.FromImages {
	case 0:
		return "the recovery database's"
	case t.count.Restored:
		return "their images in the journal"
	}
	return "their images in the journal, or the recovery database's"
}

// verifyKeyless proves it for a table without a key: before, no live row was like
// one of the inserted, so all that are, are those.
func (r *restore) verifyKeyless(ctx context.Context, t *table) ([]Check, error) {
	same, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s l WHERE EXISTS (SELECT FROM %s s WHERE %s)", only(t.live), t.in, t.is("l", "s")))
	if err != nil {
		return nil, err
	}
	return []Check{{Name: "rows equal: " + t.name(), OK: same == t.count.Restored, Detail: fmt.Sprintf("%d rows in production equal the %d inserted ones", same, t.count.Restored)}}, nil
}

// verifyUnique re-checks what quiet triggers would have: deferrable unique and
// exclusion constraints. All others are enforced by their index.
func (r *restore) verifyUnique(ctx context.Context, t *table) ([]Check, error) {
	var out []Check
	for _, a := range t.detail.arbiters {
		if !a.deferrable {
			continue
		}
		rows := a.values(a.of(t.live), prefixComma(list("", t.key))+"tableoid AS rowback_table, ctid AS rowback_at")
		inserted := ""
		if len(t.key) > 0 { // else all rows are looked at
			inserted = fmt.Sprintf("JOIN %s s ON %s ", t.in, t.equal("a", "s"))
		}
		twice, err := r.production.number(ctx, fmt.Sprintf(
			"SELECT count(*) FROM %[1]s a %[2]sJOIN %[1]s b ON %[3]s AND (a.rowback_table, a.rowback_at) <> (b.rowback_table, b.rowback_at)",
			rows, inserted, a.exclude("a", "b")))
		if err != nil {
			return nil, err
		}
		out = append(out, Check{Name: "constraint " + a.name + ": " + t.name(), OK: twice == 0, Detail: fmt.Sprintf("%d conflicts with other rows", twice)})
		if twice > 0 {
			return out, &errRace{what: fmt.Sprintf("%s: constraint %s: %d conflicts with other rows", t.name(), a.name, twice)}
		}
	}
	return out, nil
}

// verifyForeignKeys proves that every foreign key of every inserted row holds.
// One that does not is a race: the plan had found all parents.
func (r *restore) verifyForeignKeys(ctx context.Context) ([]Check, error) {
	var out []Check
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		for _, ref := range t.references() {
			broken, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s AND %s",
				t.inserted("c", ref), ref.applies("c"), ref.lacks(ref.values("c"), only(ref.Parent))))
			if err != nil {
				return out, err
			}
			if broken > 0 {
				return out, &errRace{what: fmt.Sprintf("%s of %s: %d restored rows have no parent", ref.title(), t.name(), broken)}
			}
			out = append(out, Check{Name: ref.title() + ": " + t.name(), OK: true, Detail: fmt.Sprintf("every parent in %s is there", display(ref.Parent))})
		}
	}
	return out, nil
}
