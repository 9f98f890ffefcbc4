package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// reasons are the report's unrestored rows: "table key" to reason.
func reasons(r *Report) map[string]string {
	out := map[string]string{}
	for _, u := range r.Unrestored {
		out[u.Table+" "+string(u.Key)] = u.Reason
	}
	return out
}

const twoTables = `
	CREATE TABLE p (id int PRIMARY KEY, code text UNIQUE, v int);
	CREATE TABLE c (id int PRIMARY KEY, p_id int NOT NULL REFERENCES p ON DELETE CASCADE, code text REFERENCES p (code) ON DELETE CASCADE);
	CREATE TABLE g (id int PRIMARY KEY, c_id int REFERENCES c ON DELETE CASCADE);
	INSERT INTO p SELECT i, 'p' || i, i FROM generate_series(1, 9) i;
	INSERT INTO c SELECT i, i FROM generate_series(1, 9) i;
	INSERT INTO g SELECT i, i FROM generate_series(1, 9) i`

func TestClasses(t *testing.T) {
	for _, c := range []struct {
		name       string
		schema     string // default twoTables
		beforeCopy string
		afterCopy  string
		incident   string // default: everything
		since      string
		parents    bool
		want       Count  // of table p, or table
		table      string // default p
		unrestored map[string]string
	}{
		{name: "identical", since: "INSERT INTO p VALUES (1, 'p1', 1)",
			want: Count{Requested: 9, Restored: 8, AlreadyPresent: 1}},
		{name: "different", since: "INSERT INTO p VALUES (1, 'p1', 77)",
			want: Count{Requested: 9, Restored: 8, Different: 1}, unrestored: map[string]string{`p {"id":1}`: "with other values in v;"}},
		{name: "unique value taken, dependants pruned", since: "INSERT INTO p VALUES (100, 'p1', 1)",
			want:       Count{Requested: 9, Restored: 8, Conflicts: 1},
			unrestored: map[string]string{`p {"id":1}`: "holds its value in p_code_key", `c {"id":1}`: "public.p (id) = (1) stays out", `g {"id":1}`: "public.c (id) = (1) stays out"}},
		{name: "child of a taken unique value does not move to its new owner",
			beforeCopy: "UPDATE c SET code = 'p1' WHERE id = 2", since: "INSERT INTO p VALUES (100, 'p1', 1)", table: "c",
			want:       Count{Requested: 9, Restored: 7, ParentGone: 2},
			unrestored: map[string]string{`p {"id":1}`: "p_code_key", `c {"id":1}`: "stays out", `c {"id":2}`: "public.p (code) = (p1)", `g {"id":1}`: "stays out", `g {"id":2}`: "stays out"}},
		{name: "expression and partial unique indexes",
			schema:   "CREATE TABLE p (id int PRIMARY KEY, a text, live bool); CREATE UNIQUE INDEX p_lower ON p (lower(a)) WHERE live; INSERT INTO p VALUES (1, 'X', true), (2, 'Y', true), (3, 'Z', false)",
			incident: "DELETE FROM p", since: "INSERT INTO p VALUES (11, 'x', true), (12, 'y', false), (13, 'z', true)",
			want: Count{Requested: 3, Restored: 2, Conflicts: 1}, unrestored: map[string]string{`p {"id":1}`: "p_lower"}},
		{name: "exclusion constraint",
			schema:   "CREATE TABLE p (id int PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&)); INSERT INTO p VALUES (1, '[1,5)'), (2, '[5,9)')",
			incident: "DELETE FROM p", since: "INSERT INTO p VALUES (3, '[4,5)')",
			want: Count{Requested: 2, Restored: 1, Conflicts: 1}, unrestored: map[string]string{`p {"id":1}`: "p_r_excl"}},
		{name: "deferrable unique constraint",
			schema:   "CREATE TABLE p (id int PRIMARY KEY, a int UNIQUE DEFERRABLE INITIALLY DEFERRED); INSERT INTO p VALUES (1, 1), (2, 2)",
			incident: "DELETE FROM p", since: "INSERT INTO p VALUES (3, 1)",
			want: Count{Requested: 2, Restored: 1, Conflicts: 1}, unrestored: map[string]string{`p {"id":1}`: "p_a_key"}},
		{name: "nulls not distinct",
			schema:   "CREATE TABLE p (id int PRIMARY KEY, a int, b int, UNIQUE NULLS NOT DISTINCT (a, b)); INSERT INTO p VALUES (1, 1, NULL), (2, 2, NULL)",
			incident: "DELETE FROM p", since: "INSERT INTO p VALUES (3, 1, NULL)",
			want: Count{Requested: 2, Restored: 1, Conflicts: 1}, unrestored: map[string]string{`p {"id":1}`: "p_a_b_key"}},
		{name: "missing in the backup, dependants pruned", afterCopy: "INSERT INTO p VALUES (50, 'new', 1); UPDATE c SET p_id = 50 WHERE id = 2; INSERT INTO c VALUES (50, 50)",
			incident: "DELETE FROM p WHERE id IN (1, 50)", want: Count{Requested: 2, Restored: 1, Missing: 1},
			unrestored: map[string]string{`p {"id":50}`: "not in the recovery database", `c {"id":50}`: "not in the recovery database"}},
		{name: "missing in the backup, but there again", afterCopy: "INSERT INTO p VALUES (50, 'new', 1)", incident: "DELETE FROM p WHERE id IN (1, 50)", since: "INSERT INTO p VALUES (50, 'x', 2)",
			want: Count{Requested: 2, Restored: 1, Different: 1}, unrestored: map[string]string{`p {"id":50}`: "in production again"}},
		{name: "parent deleted since", incident: "DELETE FROM c", since: "DELETE FROM p WHERE id = 3", table: "c",
			want: Count{Requested: 9, Restored: 8, ParentGone: 1}, unrestored: map[string]string{`c {"id":3}`: "--with-parents brings it back", `g {"id":3}`: "gone"}},
		{name: "with parents", incident: "DELETE FROM c", since: "DELETE FROM p WHERE id = 3", parents: true,
			want: Count{Requested: 1, Restored: 1, Parents: 1}},
		{name: "with parents of parents", incident: "DELETE FROM g", since: "DELETE FROM p WHERE id IN (3, 4)", parents: true,
			want: Count{Requested: 2, Restored: 2, Parents: 2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			schema := c.schema
			if schema == "" {
				schema = twoTables
			}
			if strings.Contains(schema, "NULLS NOT DISTINCT") {
				pgtest.Since(t, 15, "NULLS NOT DISTINCT")
			}
			l := newLab(t, schema)
			if c.beforeCopy != "" {
				l.exec(c.beforeCopy)
			}
			l.backup()
			if c.afterCopy != "" {
				l.exec(c.afterCopy)
			}
			incident := c.incident
			if incident == "" {
				incident = "DELETE FROM p"
			}
			id := l.incident(incident)
			if c.since != "" {
				l.exec(c.since)
			}
			o := l.options(id)
			o.WithParents = c.parents
			before := l.state(l.production)
			report := l.restore(o)
			after := l.state(l.production)
			for table, rows := range before { // live rows are never changed
				for k := range rows {
					if after[table][k] == nil {
						t.Errorf("%s %s has gone", table, k)
					}
				}
				l.is(state{table: intersect(after[table], rows)}, state{table: rows})
			}
			table := c.table
			if table == "" {
				table = "p"
			}
			got := l.count(report, table)
			c.want.Schema, c.want.Table = "public", table
			if got != c.want {
				t.Errorf("%+v\nwant %+v", got, c.want)
			}
			if len(report.Unrestored) != len(c.unrestored) || report.Complete() != (len(c.unrestored) == 0) {
				t.Errorf("unrestored: %v", reasons(report))
			}
			for k, want := range c.unrestored {
				if !strings.Contains(reasons(report)[k], want) {
					t.Errorf("%s: %q, want %q", k, reasons(report)[k], want)
				}
			}
		})
	}
}

func intersect(all, of map[string]map[string]string) map[string]map[string]string {
	out := map[string]map[string]string{}
	for k := range of {
		out[k] = all[k]
	}
	return out
}

func TestRelink(t *testing.T) {
	l := newLab(t, `
		CREATE TABLE p (id int PRIMARY KEY);
		CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE SET NULL, d_id int DEFAULT 1 REFERENCES p ON DELETE SET DEFAULT, touched int DEFAULT 0);
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.touched := 1; RETURN NEW; END';
		INSERT INTO p SELECT generate_series(1, 20);
		INSERT INTO c SELECT i, i, 21 - i FROM generate_series(1, 20) i`).backup()
	id := l.incident("DELETE FROM p WHERE id BETWEEN 5 AND 12")
	second := l.incident("UPDATE c SET p_id = 12 WHERE id = -1; DELETE FROM p WHERE id = 13")
	l.exec("CREATE TRIGGER t BEFORE UPDATE ON c FOR EACH ROW EXECUTE FUNCTION touch()",
		"ALTER TABLE c DISABLE TRIGGER t; UPDATE c SET p_id = 2 WHERE id = 6; DELETE FROM c WHERE id = 7; ALTER TABLE c ENABLE TRIGGER t")
	report := l.restore(l.options(id))
	got := l.state(l.production)["public.c"]
	for key, want := range map[string][3]string{
		"5": {"5", "16", "0"}, "6": {"2", "15", "0"}, "8": {"8", "13", "0"}, "12": {"12", "9", "0"}, "9": {"9", "12", "0"}, "16": {"16", "5", "0"},
	} {
		// d_id 13 of row 8 was cut by the second deletion
		if key == "8" {
			want[1] = "1"
		}
		if row := got[key]; row["p_id"] != want[0] || row["d_id"] != want[1] || row["touched"] != want[2] {
			t.Errorf("c %s: %v, want %v", key, row, want)
		}
	}
	if got["13"]["p_id"] != null {
		t.Errorf("the other deletion's link came back: %v", got["13"])
	}
	r := reasons(report)
	if !strings.Contains(r[`c {"id":6}`], "changed since") || !strings.Contains(r[`c {"id":7}`], "not in production any more") || len(r) != 2 {
		t.Errorf("unrestored: %v", r)
	}
	// 8 by p_id less two, 8 by d_id (rows 9 to 16)
	if c := l.count(report, "c"); c.Relinked != 14 || c.Requested != 0 {
		t.Errorf("c: %+v", c)
	}
	if report := l.restore(l.options(second)); l.count(report, "c").Relinked != 2 {
		t.Errorf("second: %+v", report)
	}
	if again := l.restore(l.options(second)); !again.Complete() || l.count(again, "c").Relinked != 0 {
		t.Errorf("again: %+v", again)
	}
}

func TestRelink_ParentThatStaysOut(t *testing.T) {
	l := newLab(t, `
		CREATE TABLE p (id int PRIMARY KEY, u int UNIQUE);
		CREATE TABLE c (id int PRIMARY KEY, p_id int REFERENCES p ON DELETE SET NULL);
		INSERT INTO p VALUES (1, 1), (2, 2); INSERT INTO c VALUES (1, 1), (2, 2)`).backup()
	id := l.incident("DELETE FROM p")
	l.exec("INSERT INTO p VALUES (9, 1)")
	report := l.restore(l.options(id))
	if c := l.count(report, "c"); c.Relinked != 1 || !strings.Contains(reasons(report)[`c {"id":1}`], "parent is gone") {
		t.Errorf("%+v %v", c, reasons(report))
	}
}
