package recovery

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// What rows of production are looked up in has an index, whatever the planner
// makes of production's figures, which the deletion has made wrong: without one,
// re-linking n rows read n times n.
func TestStaging_WhatRowsAreLookedUpInIsIndexed(t *testing.T) {
	l := newLab(t, softTable, `CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL); INSERT INTO c SELECT i, i FROM generate_series(1, 20) i`).backup()
	asked := 0
	confirm := func() {
		asked++
		for _, name := range l.ask(l.connect(), "SELECT relname::text FROM pg_class WHERE relname LIKE 'rowback\\_%' AND relpersistence = 't' AND relkind = 'r' AND pg_relation_size(oid) > 0 AND NOT relhasindex") {
			t.Errorf("%s has no index", name)
		}
	}
	o := l.options(l.incident("DELETE FROM p WHERE id < 5"), l.softly("UPDATE p SET is_deleted = true WHERE id > 15", "p", "is_deleted"))
	o.Confirm = func(context.Context, *Plan) (bool, error) { confirm(); return true, nil }
	report := l.restore(o)
	l.undo(UndoOptions{Confirm: func(context.Context, *UndoReport) (bool, error) { confirm(); return true, nil }}, report.Entry)
	if asked != 2 {
		t.Errorf("asked %d times", asked)
	}
}

// The planner knows how many rows an undo has chosen: else it would read whole tables once
// for each, where no index is on what refers to them.
func TestUndo_ThePlannerKnowsWhatIsChosen(t *testing.T) {
	l := newLab(t, softTable, `CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE SET NULL); INSERT INTO c SELECT i, i FROM generate_series(1, 20) i`).backup()
	restored := l.restore(l.options(l.incident("DELETE FROM p WHERE id < 5"), l.softly("UPDATE p SET is_deleted = true WHERE id > 15", "p", "is_deleted")))
	u := newUndo(UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{restored.Entry}})
	for _, step := range []func(context.Context) error{u.load, u.open, u.settle, u.prepare, u.remember, u.stage, u.begin, func(ctx context.Context) error { return u.classify(ctx, false) }} {
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	defer u.close()
	rows, err := u.production.rows(t.Context(), `SELECT attrelid::regclass::text, EXISTS (SELECT FROM pg_stats s WHERE s.schemaname = relnamespace::regnamespace::text AND s.tablename = relname AND s.attname = a.attname AND null_frac = 0)::text
		FROM pg_attribute a JOIN pg_class c ON c.oid = attrelid WHERE attname = 'rowback_class' AND relpersistence = 't' AND relkind = 'r'`)
	if err != nil || len(rows) != 3 {
		t.Fatal(len(rows), err)
	}
	for _, row := range rows {
		if *row[1] != "true" {
			t.Errorf("nothing is known of %s", *row[0])
		}
	}
}

// A table with as many columns as the server allows has no room for those of staging.
func TestStaging_TooManyColumns(t *testing.T) {
	var columns strings.Builder
	for i := 2; i <= 1600; i++ {
		fmt.Fprintf(&columns, ", c%d bool", i)
	}
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY"+columns.String()+"); INSERT INTO p VALUES (1)").backup()
	l.refused(l.options(l.incident("DELETE FROM p")), Unfit, "public.p has 1600 columns")
}
