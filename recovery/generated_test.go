package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// Foreign keys to and from generated columns are as any others.
func TestGenerated_ForeignKeys(t *testing.T) {
	const from = `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, x int, p_id int GENERATED ALWAYS AS (x / 10) STORED REFERENCES p); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 10), (2, 20)`
	const to = `CREATE TABLE p (id int PRIMARY KEY, code int GENERATED ALWAYS AS (id * 10) STORED UNIQUE); CREATE TABLE c (id int PRIMARY KEY, code int REFERENCES p (code) ON DELETE CASCADE); INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (1, 10), (2, 20)`
	// A column that is the same in every row, made of nothing, says what the parent is.
	const constant = `CREATE TABLE p (kind text, id int, PRIMARY KEY (kind, id)); CREATE TABLE c (id int PRIMARY KEY, kind text COLLATE "C" GENERATED ALWAYS AS ('person') STORED, FOREIGN KEY (kind, id) REFERENCES p); INSERT INTO p VALUES ('person', 1), ('firm', 2), ('person', 2); INSERT INTO c VALUES (1), (2)`
	for _, c := range []struct {
		name, schema, del, since string
		parents                  bool
		restored, gone           int64 // of c
	}{
		{"parent comes along", to, "DELETE FROM p", "", false, 2, 0},
		{"parent is there", to, "DELETE FROM c", "", false, 2, 0},
		{"parent of a generated column is gone", to, "DELETE FROM c", "DELETE FROM p WHERE id = 2", false, 1, 1},
		{"parent of a generated column is asked for", to, "DELETE FROM c", "DELETE FROM p WHERE id = 2", true, 2, 0},
		{"but is made otherwise now", to, "DELETE FROM c", "DELETE FROM p; ALTER TABLE c DROP CONSTRAINT c_code_fkey; ALTER TABLE p DROP code; ALTER TABLE p ADD code int GENERATED ALWAYS AS (id * 20) STORED UNIQUE; ALTER TABLE c ADD FOREIGN KEY (code) REFERENCES p (code)", true, 0, 2},
		{"parent is gone", from, "DELETE FROM c", "DELETE FROM p WHERE id = 2", false, 1, 1},
		{"parent is asked for", from, "DELETE FROM c", "DELETE FROM p WHERE id = 2", true, 2, 0},
		{"parent by a constant", constant, "DELETE FROM c", "DELETE FROM p WHERE id = 2 AND kind = 'person'", false, 1, 1},
		{"parent by a constant is asked for", constant, "DELETE FROM c", "DELETE FROM p WHERE id = 2 AND kind = 'person'", true, 2, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.schema).backup()
			before := l.state(l.production)
			o := l.options(l.incident(c.del))
			if c.since != "" {
				l.exec(c.since)
			}
			o.WithParents = c.parents
			report := l.restore(o)
			if n := l.count(report, "c"); n.Restored != c.restored || n.ParentGone != c.gone {
				t.Errorf("%+v %v", report.Tables, reasons(report))
			}
			if c.gone == 0 {
				l.is(l.state(l.production), before)
			}
		})
	}
}

// Images have no generated columns, and where they leave something out that one is
// made of it is not known of all rows.
func TestGenerated_OfImages(t *testing.T) {
	pgtest.Since(t, 14, "generated columns of a domain that is NOT NULL")
	l := newLab(t, `CREATE DOMAIN code AS text NOT NULL; CREATE TABLE u (id int PRIMARY KEY, email text, low text GENERATED ALWAYS AS (lower(email)) STORED UNIQUE, secret text,
		hash text GENERATED ALWAYS AS (md5(secret)) STORED UNIQUE, code code GENERATED ALWAYS AS (coalesce(secret, 'none')) STORED, UNIQUE (code, id)); INSERT INTO u (id, email, secret) VALUES (1, 'Bob', 's1'), (2, 'Ann', 's2')`).backup()
	l.exec("INSERT INTO u (id, email, secret) VALUES (3, 'Carl', 's3'), (4, 'Dora', 's4')")
	id := l.imaged(func(_, c string) bool { return c != "secret" }, "DELETE FROM u")
	l.exec("INSERT INTO u (id, email, secret) VALUES (8, 'carl', 's8'), (9, 'Emil', 's2')")
	report := l.restore(l.options(id))
	if n := l.count(report, "u"); n.Restored != 2 || n.Conflicts != 2 {
		t.Errorf("%+v", n)
	}
	for key, by := range map[string]string{`u {"id":2}`: "u_hash_key", `u {"id":3}`: "u_low_key"} {
		if why := reasons(report)[key]; !strings.Contains(why, by+":") {
			t.Errorf("%s: %s", key, why)
		}
	}
}

// A value that production does not take is mended where it is made of.
func TestGenerated_BrokenRulesNameWhatCanBeSet(t *testing.T) {
	l := newLab(t, `CREATE TABLE u (id int PRIMARY KEY, email text, low text GENERATED ALWAYS AS (lower(email)) STORED UNIQUE); INSERT INTO u VALUES (1, 'Bob'), (2, NULL)`).backup()
	id := l.incident("DELETE FROM u")
	l.exec("ALTER TABLE u ALTER low SET NOT NULL, ADD CHECK (low <> 'bob')")
	o := l.options(id)
	l.refused(o, Unfit, "u.low is NOT NULL in production, and 1 row have no value there; give them a value in the configuration: restore: {tables: {public.u: {columns: {email: SQL}}}}", "1 row of public.u break its CHECK constraint u_low_check")
	o.Config = configured(t, "tables: {u: {columns: {email: \"coalesce(email, 'x') || id\"}}}")
	if report := l.restore(o); report.Restored != 2 {
		t.Errorf("%+v", report)
	}
}

// What partitions make each in its own way is nobody's to foretell.
func TestGenerated_OtherwiseInAPartition(t *testing.T) {
	pgtest.Since(t, 16, "generated columns that partitions make in their own way")
	l := newLab(t, `CREATE TABLE u (id int, v int, g int GENERATED ALWAYS AS (v) STORED, UNIQUE (id, g)) PARTITION BY RANGE (id); ALTER TABLE u ADD PRIMARY KEY (id);
		CREATE TABLE u1 (id int NOT NULL, v int, g int GENERATED ALWAYS AS (v * 2) STORED); ALTER TABLE u ATTACH PARTITION u1 FOR VALUES FROM (0) TO (100); CREATE UNIQUE INDEX ON u1 (g);
		INSERT INTO u (id, v) VALUES (1, 2), (2, 4)`).backup()
	before := l.state(l.production)
	id := l.incident("DELETE FROM u WHERE id = 1")
	l.restore(l.options(id)) // as u makes it, 2 would be 4's
	l.is(l.state(l.production), before)
}

// Rows are found by a generated key as by any other.
func TestGenerated_Key(t *testing.T) {
	for _, images := range []bool{false, true} {
		l := newLab(t, `CREATE TABLE u (x int, id int GENERATED ALWAYS AS (x * 2) STORED PRIMARY KEY, v text); INSERT INTO u (x, v) VALUES (1, 'a'), (2, 'b'), (3, 'c')`).backup()
		before := l.state(l.production)
		remove := l.incident
		if images {
			remove = func(sql ...string) string { return l.imaged(nil, sql...) }
		}
		o := l.options(remove("DELETE FROM u WHERE x > 1"))
		l.exec("INSERT INTO u (x, v) VALUES (2, 'b')")
		report := l.restore(o)
		if n := l.count(report, "u"); n.Restored != 1 || n.AlreadyPresent != 1 || !report.Complete() {
			t.Errorf("images %v: %+v", images, n)
		}
		l.is(l.state(l.production), before)
		l.undo(UndoOptions{}, report.Entry)
		if got := l.content("u"); len(got) != 2 {
			t.Errorf("images %v: %v", images, got)
		}
		l.restore(o)
		l.is(l.state(l.production), before)
	}
}

// A column that was generated when the backup was made, and is a plain one by now, comes
// back with the backup's values.
func TestGenerated_OnlyInTheBackup(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, g int GENERATED ALWAYS AS (id * 2) STORED); INSERT INTO p SELECT generate_series(1, 3)").backup()
	l.exec("ALTER TABLE p ALTER g DROP EXPRESSION")
	before := l.state(l.production)
	if report := l.restore(l.options(l.incident("DELETE FROM p"))); report.Restored != 3 || len(report.Warnings) > 0 {
		t.Errorf("%+v", report)
	}
	l.is(l.state(l.production), before)
}

// One that was generated when the images were taken is in none. Where a row is otherwise as
// in the recovery database, so is what it was.
func TestGenerated_WhenTheImagesWereTaken(t *testing.T) {
	for notNull, want := range map[bool]string{false: "(1,1,2,s)(2,9,,s)(3,3,6,s)", true: ""} {
		l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v * 2) STORED, s text); INSERT INTO p (id, v, s) SELECT i, i, 's' FROM generate_series(1, 3) i").backup()
		l.exec("UPDATE p SET v = 9 WHERE id = 2")
		ids := []string{l.imaged(func(_, column string) bool { return column != "s" }, "DELETE FROM p WHERE id < 3"), l.imaged(nil, "DELETE FROM p WHERE id = 3")}
		l.exec("ALTER TABLE p ALTER g DROP EXPRESSION")
		if notNull {
			l.exec("ALTER TABLE p ALTER g SET NOT NULL")
			l.refused(l.options(ids...), Unfit, "p.g is NOT NULL and has no default, and neither the journal's images nor the recovery database have a value for 1 row")
		} else if report := l.restore(l.options(ids...)); report.Restored != 3 || !strings.Contains(strings.Join(report.Warnings, "\n"), "column public.p.g is not in the journal's images; rows that are otherwise as in the recovery database") {
			t.Errorf("%+v", report)
		}
		if got := strings.Join(l.content("p"), ""); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
