package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// prepare resolves the request against both databases and refuses, with
// everything that is wrong at once, before anything is made or moved.
func (r *restore) prepare(ctx context.Context) error {
	var problems []string
	for i := range r.o.Source.Tables {
		st := &r.o.Source.Tables[i]
		var err error
		switch {
		case st.Via == journal.SetNull || st.Via == journal.SetDef:
			// A link that cannot be mended does not keep the rows away.
			if linkErr := r.addLink(ctx, i, st); linkErr != nil {
				r.lost = append(r.lost, Unrestored{Schema: st.Schema, Table: st.Name,
					Reason: fmt.Sprintf("links of %d rows not restored, they stay cut: %v", st.Rows, linkErr)})
			}
		case st.Rows == 0 && st.KeysCaptured:
			// Nothing of this table.
		case r.skipped(st) != nil:
			r.leaveOut(st)
		case !st.KeysCaptured:
			if why := r.withoutKeys(i, st); r.o.Source.partial {
				r.lost = append(r.lost, Unrestored{Schema: st.Schema, Table: st.Name, Reason: why})
			} else {
				err = errors.New(why)
			}
		default:
			err = r.addRequested(ctx, i, st)
		}
		var refused *Refusal
		if errors.As(err, &refused) && refused.Kind != Unfit {
			return err
		}
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	kind := Unfit
	if r.o.Source.fromFile() {
		kind = Usage
	}
	if err := refuse(kind, problems...); err != nil {
		return err
	}
	return r.checkAll(ctx, r.tables)
}

// leaveOut counts the rows of a source table that the configuration leaves out.
func (r *restore) leaveOut(st *journal.Table) {
	r.outside = append(r.outside, Count{Schema: st.Schema, Table: st.Name, Requested: st.Rows, Filtered: st.Rows})
	r.warn(fmt.Sprintf("%s of %s stay out: the configuration says skip", plural(st.Rows, "row"), sourceName(st)))
}

// withoutKeys says why the rows of source table i cannot be restored from their
// entry, and what can be done.
func (r *restore) withoutKeys(i int, st *journal.Table) string {
	which := ""
	if i < len(r.o.Source.of) {
		which = r.o.Source.of[i].ID + ": "
	}
	why := fmt.Sprintf("%sthe keys of %s of %s were not captured (%s); ", which, plural(st.Rows, "row"), sourceName(st), uncaptured(st))
	if live, err := r.liveTable(st); err == nil && len(live.Root().Key) == 0 {
		return why + "the table has no key, so that its rows cannot be told apart: copy them from the recovery database by hand"
	}
	why += fmt.Sprintf("find them with `rowback diff %s --out FILE` and restore with `rowback restore --from-diff FILE`", sourceName(st))
	if !r.o.Source.partial {
		why += fmt.Sprintf("; to restore the rest of the entry leave the table out: restore: {tables: {%s: {skip: true}}}", sourceName(st))
	}
	return why
}

// uncaptured says why the keys of st's rows are not known.
func uncaptured(st *journal.Table) string {
	if st.Why == "" {
		return "no reason recorded"
	}
	return st.Why
}

func sourceName(t *journal.Table) string {
	return journal.QuoteName(t.Schema, t.Name)
}

// addRequested makes source table i feed the table it names.
func (r *restore) addRequested(ctx context.Context, i int, st *journal.Table) error {
	live, err := r.liveTable(st)
	if err != nil {
		return err
	}
	var key []string
	for _, c := range st.Key {
		key = append(key, c.Name)
	}
	if len(key) == 0 {
		return fmt.Errorf("table %s has no identity key (primary key, or unique columns that are NOT NULL); its rows cannot be told apart", display(live))
	}
	key = r.renamed(live.Root(), key)
	t, err := r.table(ctx, live, key)
	if err != nil {
		return err
	}
	for _, c := range key {
		if !slices.Contains(t.key, c) || len(key) != len(t.key) {
			return fmt.Errorf("table %s: keys are given by (%s) and by (%s); restore them one after the other", t.name(), strings.Join(t.key, ", "), strings.Join(key, ", "))
		}
	}
	r.feeds[i] = t
	r.order[i] = key
	return r.addMark(ctx, i, st, t)
}

// table returns the work on a live table, found or new. key nil: its identity.
func (r *restore) table(ctx context.Context, live *catalog.Table, key []string) (*table, error) {
	live = live.Root()
	if t := r.byOID[live.OID]; t != nil {
		return t, nil
	}
	if key == nil {
		key = live.Key
	}
	if why := unsupported(live); why != "" {
		return nil, fmt.Errorf("table %s: %s", display(live), why)
	}
	backup, err := r.backupTable(live)
	if err != nil {
		return nil, fmt.Errorf("recovery: %w; is it a copy of the right database?", err)
	}
	if why := unsupported(backup); why != "" {
		return nil, fmt.Errorf("table %s in the recovery database: %s", display(live), why)
	}
	if err := r.production.describe(ctx, live); err != nil {
		return nil, err
	}
	if err := r.recovery.describe(ctx, backup); err != nil {
		return nil, err
	}
	n := len(r.tables) + 1
	t := &table{
		live: live, backup: backup, detail: r.production.detail[live.OID], key: key,
		in: fmt.Sprintf("pg_temp.rowback_in_%d", n), left: fmt.Sprintf("pg_temp.rowback_left_%d", n),
		count: Count{Schema: live.Schema, Table: live.Name},
	}
	if err := r.adopt(t); err != nil {
		return nil, err
	}
	if err := r.fit(ctx, t); err != nil {
		return nil, err
	}
	if len(t.casts) > 0 {
		t.land = fmt.Sprintf("pg_temp.rowback_land_%d", n)
	}
	r.byOID[live.OID] = t
	r.tables = append(r.tables, t)
	return t, nil
}

// fit checks that rows found by t's key in the one table fit into the other.
func (r *restore) fit(ctx context.Context, t *table) error {
	backup := r.recovery.detail[t.backup.OID]
	var problems []string
	for _, c := range t.key {
		if t.live.Column(c) == nil {
			problems = append(problems, fmt.Sprintf("key column %s.%s does not exist in production", t.name(), c))
		}
	}
	castable, err := r.castable(ctx, t, backup)
	if err != nil {
		return err
	}
	more, warnings := t.match(backup, castable)
	problems = append(problems, more...)
	if len(problems) == 0 {
		if len(t.key) == 0 {
			problems = append(problems, fmt.Sprintf("table %s has no identity key (primary key, or unique columns that are NOT NULL)", t.name()))
		} else if !t.detail.uniqueOn(t.key) {
			problems = append(problems, fmt.Sprintf("no unique index of %s in production is on its key (%s); rows cannot be told apart", t.name(), strings.Join(t.key, ", ")))
		} else if !backup.uniqueOn(t.were(t.key)) {
			problems = append(problems, fmt.Sprintf("no unique index of %s in the recovery database is on its key (%s); is it a copy of the right database?", t.name(), strings.Join(t.key, ", ")))
		}
	}
	if t.detail.insertRules {
		problems = append(problems, fmt.Sprintf("table %s has rules on INSERT or UPDATE, which restore does not handle yet; disable them for the time of the restore (ALTER TABLE … DISABLE RULE)", t.name()))
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n  - "))
	}
	r.warn(warnings...)
	return r.proveSQL(ctx, t)
}
