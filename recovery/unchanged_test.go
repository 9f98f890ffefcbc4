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
		"a table that refers":      {"CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE)", false},
		"it is gone":               {"DROP TABLE c", false},
		"an index":                 {"CREATE INDEX ON c (y)", true},
		"statistics":               {"ALTER TABLE c ALTER y SET STATISTICS 10; ANALYZE c", true},
		"another table altogether": {"CREATE TABLE e (id int); ALTER TABLE q ADD n int", true},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, "CREATE TABLE q (id int PRIMARY KEY)", "CREATE TABLE c (id int PRIMARY KEY, y text, x int, t text); INSERT INTO c SELECT i, 'y', i, 't' FROM generate_series(1, 5) i").backup()
			o := l.options(l.incident("DELETE FROM c WHERE id > 2"))
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
