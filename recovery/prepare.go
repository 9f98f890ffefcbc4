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
	if err := r.describeAll(ctx); err != nil {
		return err
	}
	problems := r.leaveUnnumbered()
	for i := range r.o.Source.Tables {
		st := &r.o.Source.Tables[i]
		var err error
		switch {
		case st.Via == journal.SetNull || st.Via == journal.SetDef:
			// A link that cannot be mended does not keep the rows away.
			if linkErr := r.addLink(ctx, i, st); linkErr != nil && r.failed(linkErr) {
				err = linkErr
			} else if linkErr != nil {
				r.loseLinks(st, linkErr.Error())
			}
		case st.Via == journal.Update:
			r.warn(fmt.Sprintf("%s of %s were changed by the transaction, not removed; they stay as they are", plural(st.Rows, "row"), sourceName(st)))
		case st.Rows == 0 && st.KeysCaptured:
			// Nothing of this table.
		case r.skipped(st) != nil:
			r.leaveOut(st)
		case !st.KeysCaptured && !r.whole(st):
			if why := r.withoutKeys(i, st); r.partial() {
				r.lost = append(r.lost, Unrestored{Schema: st.Schema, Table: st.Name, Reason: why})
			} else {
				err = errors.New(why)
			}
		default:
			err = r.addRequested(ctx, i, st)
		}
		switch {
		case err != nil && r.failed(err):
			return err
		case err != nil:
			problems = append(problems, err.Error())
		}
	}
	kind := Unfit
	if r.o.Source.fromFile() {
		kind = Usage
	}
	if was, is := r.o.Source.Database, r.production.catalog.Database; len(problems) > 0 && was != "" && was != is {
		problems = slices.Insert(problems, 0, fmt.Sprintf("the deletion was in database %s, and production here is database %s: is it the right one?", was, is))
	}
	if err := refuse(kind, problems...); err != nil {
		return err
	}
	for _, t := range r.feeds {
		t.byKey = true
	}
	for _, t := range r.tables {
		t.unite(t.byKey || r.o.WithParents)
	}
	r.warnCutLinks()
	if err := r.checkAll(ctx, r.tables); err != nil {
		return err
	}
	r.leaveRuled()
	return nil
}

// describeAll describes the tables asked for, and those that they refer to, on both
// sides at the same time: one by one each would take as long as all of them.
func (r *restore) describeAll(ctx context.Context) error {
	var live, backup []*catalog.Table
	for i := range r.o.Source.Tables {
		t, err := r.liveTable(&r.o.Source.Tables[i])
		if err != nil {
			continue // said where the table is looked for
		}
		live = append(live, t.Root())
		for _, fk := range t.Root().References {
			live = append(live, fk.Parent.Root())
		}
		if r.recovery == nil {
			continue
		}
		if b, err := r.backupTable(t.Root()); err == nil {
			backup = append(backup, b)
		}
	}
	return r.onBoth(func(s *side) error {
		if s == r.production {
			return s.describe(ctx, live...)
		}
		return s.describe(ctx, backup...)
	})
}

// whole: the images of a source table's rows are there, and wanted.
func (r *restore) whole(st *journal.Table) bool {
	return st.RowsCaptured && r.o.Source.Images != nil && !r.o.NoImages
}

// leaveOut counts the rows of a source table that the configuration leaves out.
func (r *restore) leaveOut(st *journal.Table) {
	r.outside = append(r.outside, Count{Schema: st.Schema, Table: st.Name, Requested: st.Rows, Filtered: st.Rows})
	r.warn(fmt.Sprintf("%s of %s stay out: the configuration says skip", plural(st.Rows, "row"), sourceName(st)))
}

// partial: what is not on record by key does not keep the rest away.
func (r *restore) partial() bool { return r.o.Source.partial || r.o.Partial }

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
	r.suspect(st, live)
	key := namesOf(st.Key)
	whole := r.whole(st)
	switch {
	case len(key) == 0 && whole:
		key = slices.Clone(live.Root().Key) // it may have got one since
	case len(key) == 0:
		return fmt.Errorf("table %s has no identity key (primary key, or unique columns that are NOT NULL); its rows cannot be told apart", display(live))
	}
	if err := r.refuseEither(live.Root(), st); err != nil {
		return err
	}
	key = r.renamed(live.Root(), key)
	if err := r.keyOf(ctx, live.Root(), key); err != nil {
		return err
	}
	newer := r.madeSince(live.Root())
	t, err := r.table(ctx, live, key, !whole && !newer)
	if err != nil {
		return err
	}
	if newer {
		t.noBackup = "the recovery database has no such table: it was made since the backup; or, if it had another name then: restore: {tables: {" + t.name() + ": {from: SCHEMA.NAME}}}"
	}
	for _, c := range key {
		if kind := t.detail.columns[c].bare; numbered(kind) && !whole && !r.o.Source.fromFile() {
			return fmt.Errorf("table %s: its key column %s is of type %s, whose values are on record as numbers that mean other things in another database; find the rows with `rowback diff %[1]s --out FILE` and restore with `rowback restore --from-diff FILE`", t.name(), c, kind)
		}
	}
	for _, c := range slices.Concat(key, t.key) {
		if !slices.Contains(t.key, c) || len(key) != len(t.key) {
			return fmt.Errorf("table %s: keys are given by (%s) and by (%s); restore them one after the other", t.name(), strings.Join(t.key, ", "), strings.Join(key, ", "))
		}
	}
	if whole {
		if err := r.addImages(ctx, i, st, t); err != nil {
			return err
		}
		if r.images[i].filled == 0 {
			return nil
		}
	}
	r.feeds[i] = t
	r.order[i] = key
	return r.addMark(ctx, i, st, t)
}

// numbered: values of the type are another object's number.
func numbered(kind string) bool {
	return slices.Contains([]string{"regclass", "regcollation", "regconfig", "regdictionary", "regnamespace", "regoper", "regoperator", "regproc", "regprocedure", "regrole", "regtype"}, kind)
}

// table returns the work on a live table, found or new. key nil: its identity.
// need: its rows, or some of them, must come from the recovery database, if there
// is one.
func (r *restore) table(ctx context.Context, live *catalog.Table, key []string, need bool) (*table, error) {
	live = live.Root()
	if t := r.byOID[live.OID]; t != nil {
		if need && t.backup == nil && r.recovery != nil {
			return nil, fmt.Errorf("%s", t.noBackup)
		}
		return t, nil
	}
	if key == nil {
		key = live.Key
	}
	if why := unsupported(live); why != "" {
		return nil, fmt.Errorf("table %s: %s", display(live), why)
	}
	if err := r.production.describe(ctx, live); err != nil {
		return nil, err
	}
	n := len(r.tables) + 1
	t := &table{
		live: live, detail: r.production.detail[live.OID], key: key,
		in: fmt.Sprintf("pg_temp.rowback_in_%d", n), left: fmt.Sprintf("pg_temp.rowback_left_%d", n),
		count: Count{Schema: live.Schema, Table: live.Name}, kinds: [][]string{nil},
	}
	var err error
	if t.backup, err = r.findBackup(ctx, live); err != nil {
		if need && r.recovery != nil {
			return nil, err
		}
		t.noBackup = err.Error()
	}
	if err := r.adopt(t); err != nil {
		return nil, err
	}
	if err := r.fit(ctx, t, need); err != nil {
		return nil, err
	}
	t.kinds[0] = t.fetched
	if len(t.casts) > 0 {
		t.land = fmt.Sprintf("pg_temp.rowback_land_%d", n)
	}
	r.byOID[live.OID] = t
	r.tables = append(r.tables, t)
	return t, nil
}

// fit checks that rows found by t's key in the one table fit into the other. Where
// the recovery database is not needed and its table does not fit, it is left aside.
func (r *restore) fit(ctx context.Context, t *table, need bool) error {
	var problems []string
	for _, c := range t.key {
		if t.live.Column(c) == nil {
			problems = append(problems, fmt.Sprintf("key column %s.%s does not exist in production", t.name(), c))
		}
	}
	if len(problems) == 0 && len(t.key) > 0 && !t.detail.uniqueOn(t.key) {
		problems = append(problems, fmt.Sprintf("no unique index of %s in production is on its key (%s); rows cannot be told apart", t.name(), strings.Join(t.key, ", ")))
	}
	if len(t.key) == 0 && need {
		problems = append(problems, fmt.Sprintf("table %s has no identity key (primary key, or unique columns that are NOT NULL)", t.name()))
	}
	if t.detail.insertRules {
		problems = append(problems, fmt.Sprintf("table %s has rules on INSERT or UPDATE, which restore does not handle yet; disable them for the time of the restore (ALTER TABLE … DISABLE RULE)", t.name()))
	}
	if t.backup != nil {
		more, warnings, err := r.fitBackup(ctx, t)
		switch {
		case err != nil:
			return err
		case len(more) > 0 && !need:
			t.backup, t.fetched, t.items, t.casts, t.noBackup = nil, nil, nil, nil, strings.Join(more, "; ")
		default:
			problems = append(problems, more...)
			r.warn(warnings...)
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n  - "))
	}
	if t.backup == nil {
		return nil
	}
	return r.proveSQL(ctx, t)
}

func (r *restore) fitBackup(ctx context.Context, t *table) (problems, warnings []string, err error) {
	backup := r.recovery.detail[t.backup.OID]
	castable, err := r.castable(ctx, t, backup)
	if err != nil {
		return nil, nil, err
	}
	problems, warnings = t.match(backup, castable)
	if len(problems) == 0 && !backup.uniqueOn(t.were(t.key)) && len(t.key) > 0 {
		problems = append(problems, fmt.Sprintf("no unique index of %s in the recovery database is on its key (%s); is it a copy of the right database?", t.name(), strings.Join(t.key, ", ")))
	}
	if len(t.key) == 0 && len(problems) == 0 {
		problems = append(problems, "without a key its rows cannot be found in the recovery database")
	}
	return problems, warnings, nil
}

// suspect warns where the table that the rows were deleted from seems to be there under
// another name: what has its name now is another one.
func (r *restore) suspect(st *journal.Table, live *catalog.Table) {
	was := r.production.catalog.Tables[st.OID]
	if st.OID == 0 || was == nil || was.Root() == live.Root() || was.Kind != 'r' && was.Kind != 'p' || len(st.Key) == 0 {
		return
	}
	for _, c := range st.Key { // else it is any table that has got the number since, as after a dump and reload
		if was.Column(c.Name) == nil {
			return
		}
	}
	r.warn(fmt.Sprintf("the rows were deleted from the table that is called %s now, and go into another one, %s; if they belong into that one, say so in the configuration: restore: {tables: {%s: {from: %s}}}",
		display(was.Root()), display(live.Root()), display(was.Root()), sourceName(st)))
}
