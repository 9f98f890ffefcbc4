package recovery

import (
	"context"
	"strings"
	"testing"
)

// While the question stands on the terminal somebody deploys a migration. What the plan
// does not know of is not written past: nothing is, and run again it is taken into account.
func TestUnchanged_MigrationsWhileTheQuestionStands(t *testing.T) {
	for name, c := range map[string]struct {
		ddl  string
		fits bool // with the plan
	}{
		"a foreign key":            {"ALTER TABLE c ADD FOREIGN KEY (x) REFERENCES q NOT VALID", false},
		"a deferrable unique":      {"INSERT INTO c VALUES (100, 'y', 3, 't'); ALTER TABLE c ADD UNIQUE (x) DEFERRABLE INITIALLY DEFERRED", false},
		"columns change names":     {"ALTER TABLE c RENAME y TO z; ALTER TABLE c RENAME t TO y; ALTER TABLE c RENAME z TO t", false},
		"a trigger":                {"CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'; CREATE TRIGGER tr BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION f()", false},
		"another table's name":     {"ALTER TABLE c RENAME TO c_old; CREATE TABLE c (LIKE c_old INCLUDING ALL)", false},
		"a column more":            {"ALTER TABLE c ADD m int NOT NULL DEFAULT 3", false},
		"a table that refers":      {"CREATE TABLE f (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE)", false},
		"it is gone":               {"DROP TABLE c CASCADE", false},
		"an index":                 {"CREATE INDEX ON c (y)", true},
		"statistics":               {"ALTER TABLE c ALTER y SET STATISTICS 10; ANALYZE c", true},
		"another table altogether": {"CREATE TABLE e (id int); ALTER TABLE q ADD n int", true},
		"its parent's key":         {"ALTER TABLE p RENAME id TO z; ALTER TABLE p RENAME k TO id; ALTER TABLE p RENAME z TO k", false},
		"its parent's name":        {"ALTER TABLE p RENAME TO p_old; CREATE TABLE p (LIKE p_old INCLUDING ALL)", false},
		"a column of its parent":   {"ALTER TABLE p ADD m int NOT NULL DEFAULT 3; ALTER TABLE p ALTER k TYPE bigint; CREATE INDEX ON p (k)", true},
		"a declared parent's key":  {"ALTER TABLE w RENAME id TO z; ALTER TABLE w RENAME k TO id", false},
		"a declared parent's rest": {"ALTER TABLE w ADD m int; ALTER TABLE w RENAME k TO m2", true},
		"a child's column":         {"ALTER TABLE d RENAME c TO e", true},
		"a child's partition":      {"CREATE TABLE d2 PARTITION OF d FOR VALUES IN (2)", true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE q (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY, k int UNIQUE); INSERT INTO p SELECT i, i FROM generate_series(1, 5) i;
				CREATE TABLE w (id int PRIMARY KEY, k int); INSERT INTO w SELECT i, i FROM generate_series(1, 5) i;
				CREATE TABLE c (id int PRIMARY KEY, y text, x int, t text, p int REFERENCES p); INSERT INTO c SELECT i, 'y', i, 't', i FROM generate_series(1, 5) i;
				CREATE TABLE d (id int, c int REFERENCES c) PARTITION BY LIST (id); CREATE TABLE d1 PARTITION OF d FOR VALUES IN (1)`).backup()
			o := l.options(l.incident("DELETE FROM c WHERE id > 2"))
			o.Config = &Config{Polymorphic: []Polymorphic{{Table: "c", Type: "t", ID: "x", Targets: []Target{{Value: "t", Table: "w"}}}}}
			var after state
			o.Confirm = func(context.Context, *Plan) (bool, error) {
				l.exec(c.ddl)
				after = l.state(l.production)
				return true, nil
			}
			report, err := Restore(context.Background(), o)
			if c.fits {
				if err != nil || report.Restored != 3 {
					t.Errorf("%+v, %v", report, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), "the schema was changed since the plan was made") {
				t.Errorf("%+v, %v", report, err)
			}
			l.is(l.state(l.production), after)
		})
	}
}

// Tables that join while rows are collected are no less written to.
func TestUnchanged_MigrationsOfParentsThatComeBack(t *testing.T) {
	for name, ddl := range map[string]string{
		"columns change names": "ALTER TABLE p RENAME y TO z; ALTER TABLE p RENAME t TO y; ALTER TABLE p RENAME z TO t",
		"a foreign key":        "CREATE TABLE q (id int PRIMARY KEY); ALTER TABLE p ADD FOREIGN KEY (r) REFERENCES q NOT VALID",
		"a deferrable unique":  "ALTER TABLE p ADD UNIQUE (u) DEFERRABLE",
		"a parent's key":       "ALTER TABLE g RENAME id TO z; ALTER TABLE g RENAME k TO id",
	} {
		for _, batch := range []int64{0, 1} {
			l := newLab(t, `CREATE TABLE g (id int PRIMARY KEY, k int); INSERT INTO g VALUES (1, 1);
				CREATE TABLE p (id int PRIMARY KEY, t text, y text, r int, u int, g int REFERENCES g); INSERT INTO p SELECT i, 't', 'y', i, 7, 1 FROM generate_series(1, 5) i;
				CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p); INSERT INTO c SELECT i, i FROM generate_series(1, 5) i`).backup()
			id := l.incident("DELETE FROM c")
			l.exec("DELETE FROM p WHERE id < 5")
			o := l.options(id)
			o.WithParents, o.Batch = true, batch
			var after state
			o.Confirm = func(context.Context, *Plan) (bool, error) {
				l.exec(ddl)
				after = l.state(l.production)
				return true, nil
			}
			if report, err := Restore(context.Background(), o); err == nil || !strings.Contains(err.Error(), "the schema was changed since the plan was made") {
				t.Errorf("%s, batch %d: %+v, %v", name, batch, report, err)
			}
			l.is(l.state(l.production), after)
		}
	}
}

// A column of a child that is called otherwise now is looked at under its old name by nobody.
func TestUnchanged_MigrationsOfWhatRefersBeforeAnUndo(t *testing.T) {
	for _, action := range []string{"", "ON DELETE CASCADE"} {
		for _, role := range []bool{false, true} {
			l := newLab(t, "CREATE TABLE c (id int PRIMARY KEY); INSERT INTO c SELECT generate_series(1, 5); CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c "+action+")").backup()
			o := UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{l.restore(l.options(l.incident("DELETE FROM c"))).Entry}}
			if role {
				o.Production = l.asRole(l.production, l.role(append(allGrants, undoRoles)...))
			}
			o.Confirm = func(context.Context, *UndoReport) (bool, error) {
				l.exec("ALTER TABLE d RENAME c TO e; ALTER TABLE d ADD c int; INSERT INTO d (id, e) VALUES (1, 3)")
				return true, nil
			}
			if report, err := Undo(context.Background(), o); err == nil || !strings.Contains(err.Error(), "the schema was changed since the plan was made (public.d)") {
				t.Errorf("%s, role %v: %+v, %v", action, role, report, err)
			}
			if len(l.content("c")) != 5 || len(l.content("d")) != 1 {
				t.Errorf("%s, role %v: %v, %v", action, role, l.content("c"), l.content("d"))
			}
			// What is no matter of the undo's does not keep it from its work.
			o.Confirm = func(context.Context, *UndoReport) (bool, error) {
				l.exec("ALTER TABLE d ADD m int; ALTER TABLE d RENAME c TO f")
				return true, nil
			}
			if report, err := Undo(context.Background(), o); err != nil || report.Removed != 4 || len(report.Kept) != 1 {
				t.Errorf("%s, role %v: %+v, %v", action, role, report, err)
			}
		}
	}
}

// Whoever makes and drops tables of his own all the time keeps no restore, and no undo, away.
func TestUnchanged_BesideOthersWhoMakeTables(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p SELECT generate_series(1, 9)").backup()
	id := l.incident("DELETE FROM p WHERE id > 5")
	ctx, cancel := context.WithCancel(context.Background())
	others, done := l.connect(), make(chan error)
	go func() {
		var err error
		for ctx.Err() == nil && err == nil {
			_, err = others.Exec(context.Background(), "CREATE TABLE e (id int PRIMARY KEY); CREATE OR REPLACE FUNCTION g() RETURNS int LANGUAGE sql AS 'SELECT 1'; DROP TABLE e")
		}
		done <- err
	}()
	for range 5 {
		report := l.restore(l.options(id))
		if _, err := Undo(context.Background(), UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{report.Entry}}); err != nil {
			t.Error(err)
		}
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Rows of a table that refers to restored ones since are nobody's to remove.
func TestUnchanged_MigrationsBeforeAnUndo(t *testing.T) {
	for _, action := range []string{"", "ON DELETE CASCADE", "ON DELETE SET NULL"} {
		for _, role := range []bool{false, true} {
			l := newLab(t, "CREATE TABLE c (id int PRIMARY KEY, y text); INSERT INTO c SELECT i, 'y' FROM generate_series(1, 5) i").backup()
			id := l.restore(l.options(l.incident("DELETE FROM c WHERE id > 2"))).Entry
			o := UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{id}}
			if role {
				o.Production = l.asRole(l.production, l.role(append(allGrants, undoRoles)...))
			}
			o.Confirm = func(context.Context, *UndoReport) (bool, error) {
				l.exec("CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c " + action + "); INSERT INTO d VALUES (1, 3)")
				return true, nil
			}
			if _, err := Undo(context.Background(), o); err == nil || !strings.Contains(err.Error(), "the schema was changed since the plan was made (public.c)") {
				t.Errorf("%s, role %v: %v", action, role, err)
			}
			if rows := l.content("c"); len(rows) != 5 || len(l.content("d")) != 1 {
				t.Errorf("%s, role %v: %v", action, role, rows)
			}
			// Run again, the row that is referred to is kept.
			o.Confirm = nil
			if report, err := Undo(context.Background(), o); err == nil && (report.Removed != 2 || len(report.Kept) != 1) {
				t.Errorf("%s, role %v: %+v, %v", action, role, report, err)
			}
			if len(l.content("d")) != 1 {
				t.Errorf("%s, role %v: d has lost its row", action, role)
			}
		}
	}
}
