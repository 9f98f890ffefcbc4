package guard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// family has tables on all ways by which images of a cascade's rows are read: of 1 to 5
// those that are found by a foreign key, of 6 to 9 those that are found by their places.
const family = `
CREATE TABLE p (id int PRIMARY KEY, v text);
CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, amount int);
CREATE TABLE g (id int PRIMARY KEY, c_id int REFERENCES c ON DELETE CASCADE, amount int);
CREATE TABLE parted (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, amount int) PARTITION BY LIST (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES IN (1, 2); CREATE TABLE parted_2 PARTITION OF parted DEFAULT;
CREATE TABLE twice (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE, c_id int REFERENCES c ON DELETE CASCADE, amount int);
CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE, p_id int REFERENCES p ON DELETE CASCADE, amount int);
CREATE INDEX ON c (p_id); CREATE INDEX ON g (c_id); CREATE INDEX ON parted (p_id); CREATE INDEX ON twice (p_id); CREATE INDEX ON twice (c_id); CREATE INDEX ON tree (up); CREATE INDEX ON tree (p_id);
INSERT INTO p SELECT i, 'p' FROM generate_series(1, 9) i; INSERT INTO c SELECT i, i, 100 FROM generate_series(1, 9) i; INSERT INTO g SELECT i, i, 100 FROM generate_series(2, 5) i;
INSERT INTO parted SELECT i, i, 100 FROM generate_series(1, 5) i; INSERT INTO twice SELECT i, i, i, 100 FROM generate_series(6, 9) i;
INSERT INTO tree SELECT i, NULL, i, 100 FROM generate_series(6, 9) i; INSERT INTO tree SELECT 10 + i, i, NULL, 100 FROM generate_series(6, 9) i;`

// shares are those of the newest deletion in what followed its target, by table.
func (e *env) shares() map[string]journal.Table {
	e.t.Helper()
	out := map[string]journal.Table{}
	for _, tb := range e.entries(journal.Filter{Outcome: journal.Committed})[0].Tables {
		if tb.Via == journal.Cascade {
			out[tb.Name] = tb
		}
	}
	return out
}

// Rows of a cascade that another session changes while the DELETE runs are kept as they
// were when they went, or it is said that they are not.
func TestImages_RowsThatOthersChange(t *testing.T) {
	const waits = "UPDATE p SET v = 'changed' WHERE id IN (1, 6)" // the DELETE, before it has read anything
	for name, x := range map[string]struct {
		sql    string
		others []string
		lost   string // tables whose images are not kept
	}{
		"before they are read": {sql: "DELETE FROM p WHERE id <= 3", others: []string{"UPDATE c SET amount = 999 WHERE id = 1", "UPDATE g SET amount = 999 WHERE id = 2", "UPDATE parted SET amount = 999 WHERE id = 3", waits}},
		"as they are read":     {sql: "DELETE FROM p WHERE id <= 3", others: []string{"UPDATE c SET amount = 999 WHERE id <= 2", "UPDATE g SET amount = 999 WHERE id = 2"}},
		"returning":            {sql: "DELETE FROM p WHERE id <= 3 RETURNING v", others: []string{"UPDATE c SET amount = 999 WHERE id <= 2", waits}},
		"their key":            {sql: "DELETE FROM p WHERE id <= 3", others: []string{"UPDATE c SET id = 99 WHERE id = 1", waits}},
		"their parent":         {sql: "DELETE FROM p WHERE id <= 3", others: []string{"UPDATE c SET p_id = 5, amount = 999 WHERE id = 1", "UPDATE c SET amount = 999 WHERE id = 2", waits}},
		"removed":              {sql: "DELETE FROM p WHERE id <= 3", others: []string{"DELETE FROM c WHERE id = 2", "DELETE FROM parted WHERE id = 2", waits}},
		"by two ways":          {sql: "DELETE FROM p WHERE id > 6", others: []string{"UPDATE twice SET amount = 999 WHERE id = 7", "UPDATE c SET amount = 999 WHERE id = 7", "UPDATE p SET v = 'changed' WHERE id = 7"}, lost: "twice"},
		"in a tree":            {sql: "DELETE FROM p WHERE id > 6", others: []string{"UPDATE tree SET amount = 999 WHERE id = 17", "UPDATE p SET v = 'changed' WHERE id = 7"}, lost: "tree"},
		"in a tree of its own": {sql: "DELETE FROM tree WHERE id = 7", others: []string{"UPDATE tree SET amount = 999 WHERE id IN (7, 17)"}, lost: "tree"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, wholeRows(alertPolicy()), family)
			var was []string
			e.amid(nil, x.sql, func(other *pgx.Conn) { was = e.photoBy(other) }, x.others...)
			var want []string
			for _, image := range lost(was, e.photo()) {
				table, whole, _ := strings.Cut(image, "|")
				if table = strings.TrimRight(table, "_12"); table != x.lost {
					want = append(want, table+"|"+whole)
				}
			}
			slices.Sort(want)
			equal(t, "images", slices.DeleteFunc(e.images(), func(i string) bool { return strings.HasPrefix(i, x.lost+"|") }), want)
			for name, tb := range e.shares() {
				if !tb.KeysCaptured || tb.RowsCaptured != (name != x.lost) || name == x.lost && tb.WhyNoRows != "rows of it were changed while the statement ran" {
					t.Errorf("%+v", tb)
				}
			}
		})
	}
}

// Where rows cannot be locked they are kept as long as nobody else can have changed them.
func TestImages_RowsThatCannotBeLocked(t *testing.T) {
	const role = "DROP ROLE IF EXISTS janitor; CREATE ROLE janitor; GRANT SELECT, DELETE ON ALL TABLES IN SCHEMA public TO janitor; "
	for name, x := range map[string]struct{ setup, before, why string }{
		"no privilege":       {role, "SET ROLE janitor", "may not lock them (UPDATE)"},
		"of a column":        {role + "GRANT UPDATE (amount) ON c, g, parted, twice, tree TO janitor", "SET ROLE janitor", ""},
		"row-level security": {role + "GRANT UPDATE ON ALL TABLES IN SCHEMA public TO janitor; ALTER TABLE c ENABLE ROW LEVEL SECURITY; CREATE POLICY s ON c FOR SELECT USING (true)", "SET ROLE janitor", "row-level security may keep"},
		"removed by a trigger": {`CREATE FUNCTION first() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM c WHERE p_id = OLD.id; RETURN OLD; END $$;
			CREATE TRIGGER first BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION first()`, "RESET ROLE", "a trigger or function may remove them first"},
		"after a trigger": {`CREATE FUNCTION later() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN DELETE FROM c WHERE p_id = OLD.id; RETURN OLD; END $$;
			CREATE TRIGGER "A" AFTER DELETE ON p FOR EACH ROW EXECUTE FUNCTION later()`, "RESET ROLE", ""},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, wholeRows(alertPolicy()), family, x.setup)
			if strings.Contains(x.setup, role) {
				t.Cleanup(func() { pgtest.Exec(t, e.direct, "DROP OWNED BY janitor; DROP ROLE janitor") })
			}
			c := e.connect(pgx.QueryExecModeExec)
			mustExec(t, c, x.before)
			kept := false
			for _, id := range []string{"3", "4", "5"} { // the server itself may have done something meanwhile
				before := e.photo()
				mustExec(t, c, "DELETE FROM p WHERE id = "+id)
				shares := e.shares()
				if !shares["c"].KeysCaptured || shares["c"].Rows != 1 {
					t.Errorf("%+v", shares["c"])
				}
				if shares["c"].RowsCaptured {
					kept = true
					for _, i := range lost(before, e.photo()) {
						if strings.HasPrefix(i, "c|") && !slices.Contains(e.images(), i) {
							t.Errorf("no image %s", i)
						}
					}
				}
			}
			if !kept {
				t.Errorf("no image is kept: %s", e.shares()["c"].WhyNoRows)
			}
			e.amid([]string{x.before, "BEGIN"}, "DELETE FROM p WHERE id <= 2", func(*pgx.Conn) {}, "UPDATE c SET amount = 999 WHERE id = 1", "UPDATE p SET v = 'changed' WHERE id = 1")
			if got := e.shares()["c"]; !got.KeysCaptured || got.RowsCaptured != (x.why == "") || !strings.Contains(got.WhyNoRows, x.why) {
				t.Errorf("%+v", got)
			}
		})
	}
}

// A transaction that keeps its snapshot fails where the cascade meets a row that was
// changed, and nowhere else.
func TestImages_RowsThatOthersChangeUnderRepeatableRead(t *testing.T) {
	for change, state := range map[string]string{"DELETE FROM c WHERE id = 1": "", "UPDATE c SET amount = 999 WHERE id = 1": "40001"} {
		t.Run(change, func(t *testing.T) {
			e := newEnv(t, wholeRows(alertPolicy()), family)
			c := e.connect(pgx.QueryExecModeExec)
			mustExec(t, c, "DELETE FROM p WHERE id = 5") // it knows the statement from a transaction that does not
			mustExec(t, c, "BEGIN ISOLATION LEVEL REPEATABLE READ")
			mustExec(t, c, "SELECT FROM p")
			pgtest.Exec(t, e.direct, change)
			_, err := c.Exec(t.Context(), "DELETE FROM p WHERE id <= 3")
			if sqlstate(err) != state {
				t.Fatalf("error %v, want SQLSTATE %q", err, state)
			}
			if err != nil {
				return
			}
			mustExec(t, c, "COMMIT")
			shares := e.shares()
			for _, table := range []string{"g", "parted"} { // of c there are fewer than were captured
				if !shares[table].RowsCaptured {
					t.Errorf("%+v", shares[table])
				}
			}
		})
	}
}
