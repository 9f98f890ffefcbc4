package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// refused restores, and fails unless it is refused so and production is untouched.
func (l *lab) refused(o Options, kind RefusalKind, want ...string) {
	l.t.Helper()
	before := l.state(l.production)
	report, err := Restore(context.Background(), o)
	var r *Refusal
	if !errors.As(err, &r) || r.Kind != kind {
		l.t.Errorf("%T %v, report %+v; want a refusal of kind %d", err, err, report, kind)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			l.t.Errorf("%q does not say %q", err, w)
		}
	}
	l.is(l.state(l.production), before)
}

func TestRefuse_ProductionAsRecovery(t *testing.T) {
	l := newLab(t, twoTables).backup()
	id := l.incident("DELETE FROM p WHERE id = 1")
	o := l.options(id)
	o.Recovery = l.production
	l.refused(o, Usage, "is the production database itself")
	// The same one under another address: through something in between.
	o.Recovery = strings.Replace(l.production, pgtest.Shared(t).Addr(), relay(t, pgtest.Shared(t).Addr()), 1)
	l.refused(o, Usage, "is the production database itself")
	o.Recovery = ""
	l.refused(o, Usage, "no recovery database is given", "--recovery")
}

func TestRefuse_AnotherDatabase(t *testing.T) {
	l := newLab(t, twoTables).backup()
	o := l.options(l.incident("DELETE FROM p WHERE id = 1"))
	o.Production = pgtest.Shared(t).URL(pgtest.Database(t))
	var r *Refusal
	if _, err := Restore(context.Background(), o); !errors.As(err, &r) || !strings.HasPrefix(r.Problems[0], "the deletion was in database "+l.name+", and production here is database ") {
		t.Errorf("%v", err)
	}
}

// relay is an address from which bytes go to addr and back.
func relay(t *testing.T, addr string) string {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close() })
	go func() {
		for {
			c, err := in.Accept()
			if err != nil {
				return
			}
			s, err := net.Dial("tcp", addr)
			if err != nil {
				c.Close()
				continue
			}
			go func() { io.Copy(s, c); s.Close() }()
			go func() { io.Copy(c, s); c.Close() }()
		}
	}()
	return in.Addr().String()
}

func TestRefuse_AnotherSchemaAsRecovery(t *testing.T) {
	l := newLab(t, twoTables).backup()
	id := l.incident("DELETE FROM p WHERE id = 1")
	for _, c := range []struct{ sql, want string }{
		{"", "table public.p does not exist"},
		{"CREATE TABLE p (nr int PRIMARY KEY)", "key column public.p.id is not in the recovery database"},
		{"CREATE TABLE p (id uuid PRIMARY KEY, code text, v int)", "public.p.id is uuid in the recovery database and integer in production"},
		{"CREATE TABLE p (id int, code text, v int)", "no unique index of public.p in the recovery database"},
		{"CREATE VIEW p AS SELECT 1 AS id, ''::text AS code, 1 AS v", "it is a view"},
	} {
		o := l.options(id)
		o.Recovery = pgtest.Shared(t).URL(pgtest.Database(t, c.sql))
		l.refused(o, Unfit, c.want)
	}
}

func TestRefuse_TablesItCannotHandle(t *testing.T) {
	for _, c := range []struct{ name, schema, since, want string }{
		{"no key", "CREATE TABLE p (id int)", "", "no identity key"},
		{"dropped", "CREATE TABLE p (id int PRIMARY KEY)", "DROP TABLE p", "table public.p does not exist"},
		{"became a view", "CREATE TABLE p (id int PRIMARY KEY)", "DROP TABLE p; CREATE VIEW p AS SELECT 1 AS id", "it is a view"},
		{"rules", "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE o (id int)", "CREATE RULE r AS ON INSERT TO p DO ALSO INSERT INTO o VALUES (1)", "rules on INSERT"},
		{"key no longer unique", "CREATE TABLE p (id int PRIMARY KEY)", "ALTER TABLE p DROP CONSTRAINT p_pkey", "no unique index"},
		{"new column that must not be null", "CREATE TABLE p (id int PRIMARY KEY)", "ALTER TABLE p ADD COLUMN extra int NOT NULL", "column public.p.extra is not in the recovery database, is NOT NULL and has no default"},
		{"type that may lose values", "CREATE TABLE p (id int PRIMARY KEY, v timestamp)", "ALTER TABLE p ALTER v TYPE timestamptz", "public.p.v is timestamp without time zone"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLab(t, c.schema+"; INSERT INTO p SELECT 1").backup()
			id := l.incident("DELETE FROM p")
			if c.since != "" {
				l.exec(c.since)
			}
			l.refused(l.options(id), Unfit, "p", c.want)
		})
	}
}

// record appends an entry as it is.
func (l *lab) record(e *journal.Entry, rows ...journal.Row) string {
	l.t.Helper()
	if e.Time.IsZero() {
		e.Time = time.Now().UTC()
	}
	e.ID = journal.NewID(e.Time)
	if e.Kind == "" {
		e.Kind = journal.Deletion
	}
	keys := journal.NewKeys(l.t.TempDir())
	defer keys.Close()
	for _, r := range rows {
		if err := keys.Add(r); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := l.journal.Append(context.Background(), e, keys); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

func TestSource_OutcomesAndPrefixes(t *testing.T) {
	l := newLab(t, twoTables).backup()
	ctx := context.Background()
	key := "1"
	p := []journal.Table{{Schema: "public", Name: "p", Rows: 1, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}}}
	row := journal.Row{Values: []*string{&key}}
	blocked := l.record(&journal.Entry{Database: l.name, Outcome: journal.Blocked, Tables: p}, row)
	rolledBack := l.record(&journal.Entry{Database: l.name, Outcome: journal.RolledBack, Tables: p}, row)
	restored := l.record(&journal.Entry{Database: l.name, Kind: journal.Restore, Outcome: journal.Committed, Tables: p}, row)
	for id, want := range map[string]string{blocked: "was blocked", rolledBack: "was rolled back", restored: "is itself a restore", "nonsense": "no such journal entry", "": "no such journal entry"} {
		var r *Refusal
		if _, err := FromIDs(ctx, l.journal, []string{id}); !errors.As(err, &r) || r.Kind != Usage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", id, err, want)
		}
	}
	if _, err := FromFilter(ctx, l.journal, journal.Filter{}); err == nil || !strings.Contains(err.Error(), "no committed deletion") {
		t.Errorf("filter: %v", err)
	}
	// In doubt: safe, as rows are restored only if absent, but said.
	doubt := l.record(&journal.Entry{Database: l.name, Outcome: journal.InDoubt, Tables: p}, row)
	report := l.restore(l.options(doubt))
	if l.count(report, "p").AlreadyPresent != 1 || !strings.Contains(strings.Join(report.Warnings, ""), "in doubt") {
		t.Errorf("%+v", report)
	}
	committed := l.record(&journal.Entry{Database: l.name, Outcome: journal.Committed, Tables: p}, row)
	s, err := FromFilter(ctx, l.journal, journal.Filter{Table: "p"})
	if err != nil || len(s.IDs) != 1 || s.IDs[0] != committed || len(s.doubt) != 1 || s.doubt[0].ID != doubt {
		t.Errorf("filter: %+v, %v", s, err)
	}
	other := l.record(&journal.Entry{Database: "elsewhere", Outcome: journal.Committed, Tables: p}, row)
	if _, err := FromIDs(ctx, l.journal, []string{committed, other}); err == nil || !strings.Contains(err.Error(), "several databases") {
		t.Errorf("two databases: %v", err)
	}
}

func TestSource_SeveralEntriesMayNameTheSameRow(t *testing.T) {
	l := newLab(t, twoTables).backup()
	before := l.state(l.production)
	first := l.incident("DELETE FROM g WHERE id < 5")
	l.restore(l.options(first))
	second := l.incident("DELETE FROM p WHERE id < 4")
	report := l.restore(l.options(first, second[:len(second)-1], first))
	l.is(l.state(l.production), before)
	if len(report.IDs) != 2 || report.IDs[0] != second || l.count(report, "g") != (Count{Schema: "public", Table: "g", Requested: 4, Restored: 3, AlreadyPresent: 1}) {
		t.Errorf("%+v", report)
	}
}

func TestRefuse_MissingPrivileges(t *testing.T) {
	l := newLab(t, twoTables, "CREATE SCHEMA s; CREATE TABLE s.t (id serial PRIMARY KEY, p_id int REFERENCES p ON DELETE CASCADE); INSERT INTO s.t (p_id) VALUES (1)").backup()
	id := l.incident("DELETE FROM c; DELETE FROM s.t")
	role := l.role("REVOKE ALL ON SCHEMA public FROM PUBLIC")
	l.exec("REVOKE TEMPORARY ON DATABASE " + l.name + " FROM PUBLIC")
	o := l.options(id)
	o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
	l.refused(o, Denied,
		"production: privileges are missing; have who may grant them run there:\nGRANT USAGE ON SCHEMA public TO "+role,
		`GRANT SELECT, INSERT ON public.c TO `+role,
		`GRANT SELECT ON public.p`, `GRANT USAGE ON SCHEMA s`, `GRANT USAGE, SELECT ON SEQUENCE s.t_id_seq`,
		"recovery: privileges are missing", `GRANT SELECT ON s.t TO `+role,
		fmt.Sprintf(`GRANT TEMPORARY ON DATABASE %s TO %s`, l.name, role))
	// Exactly what it asked for is enough.
	_, err := Restore(context.Background(), o)
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatal(err)
	}
	for _, p := range r.Problems {
		head, grants, _ := strings.Cut(p, "\n")
		where, _, _ := strings.Cut(head, ":")
		pgtest.Exec(t, map[string]string{"production": l.production, "recovery": l.recovery}[where], grants)
	}
	if report := l.restore(o); report.Restored != 19 || !report.Complete() {
		t.Errorf("%+v", report)
	}
}

// Triggers that the role's sessions keep quiet lock no parents, and enforce nothing.
func TestRefuse_TriggersQuietByDefault(t *testing.T) {
	l := newLab(t, twoTables).backup()
	role := l.role(allGrants...)
	l.on(l.production, "ALTER ROLE "+role+" SET session_replication_role = replica")
	o := l.options(l.incident("DELETE FROM c"))
	o.Production = l.asRole(l.production, role)
	l.refused(o, Denied, "ALTER ROLE "+role+" SET session_replication_role = origin;")
	l.on(l.production, "ALTER ROLE "+role+" SET session_replication_role = origin")
	l.restore(o)
}

func TestRefuse_RowSecurityThatHidesRows(t *testing.T) {
	l := newLab(t, twoTables, "ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY high ON p USING (id > 5)").backup()
	id := l.incident("DELETE FROM c")
	role := l.role(allGrants...)
	o := l.options(id)
	o.Production = l.asRole(l.production, role)
	l.refused(o, Denied, "row-level security hides rows of public.p")
	o = l.options(l.incident("DELETE FROM p WHERE id = 9"))
	o.Recovery = l.asRole(l.recovery, role)
	l.refused(o, Denied, "recovery: row-level security hides rows of public.p")
}

func TestKeyFile(t *testing.T) {
	l := newLab(t, twoTables, `CREATE SCHEMA s; CREATE TABLE s.k (a text, b int, v int, PRIMARY KEY (a, b)); INSERT INTO s.k VALUES ('x,"y"', 1, 1), ('z', 2, 2), ('é', 3, 3)`).backup()
	before := l.state(l.production)
	for _, c := range []struct{ name, table, content, want string }{
		{"JSON", "s.k", `{"a":"x,\"y\"","b":1}` + "\n" + `{"b":2,"a":"z"}` + "\n\n" + `{"b":"3","a":"\u00e9"}`, ""},
		{"as log prints", "k", `{"schema":"s","table":"k","key":{"a":"x,\"y\"","b":1}} {"schema":"s","table":"k","key":{"a":"z","b":2}}{"schema":"s","table":"k","key":{"a":"é","b":3}}`, ""},
		{"what is no UTF-8", "s.k", `{"a":{"base64":"eCwieSI="},"b":1}{"a":{"base64":"eg=="},"b":2}{"a":"é","b":3}`, ""},
		{"another object", "s.k", `{"a":{"base64":"eg==","x":1},"b":1}`, "key 1: a is an object"},
		{"CSV", "s.k", "\xef\xbb\xbfb, a\n1,\"x,\"\"y\"\"\"\n2,z\n3,é\n", ""},
		{"entry", "s.k", `{"id":"01","kind":"deletion","outcome":"committed","statements":[{"sql":"x"}],"tables":[{"schema":"s"}],"keys":[{"schema":"s","table":"k","key":{"a":"x,\"y\"","b":1}},` +
			`{"schema":"s","table":"q","key":{"z":1}},{"schema":"s","table":"k","key":{"a":"z","b":2}}],"more":[1,{"a":2}]}` + "\n" +
			`{"id":"02","outcome":"blocked","keys":[{"schema":"s","table":"k","key":{"a":"no","b":1}}]}{"outcome":"committed","keys":[{"schema":"s","table":"k","key":{"a":"é","b":3}}]}`, ""},
		{"list", `s."k"`, `[{"a":"x,\"y\"","b":1},{"table":"q","key":{"z":1}},{"a":"z","b":2},{"a":"é","b":3}]`, ""},
		{"entry without keys", "s.k", `{"id":"01","outcome":"committed","statements":[]}`, "entry 01 comes without its keys"},
		{"entry of others", "s.k", `{"outcome":"committed","keys":[{"table":"q","key":{"z":1}}]}`, "holds no keys of s.k; left out: 1 key of q"},
		{"entry of a cut link", "s.k", `{"outcome":"committed","keys":[{"table":"k","key":{"a":"x","b":1},"old":{"v":1}}]}`, "1 key of rows that only lost a link"},
		{"text", "s.k", "id           01JY\ntime         2026\n", "is the text output of `rowback log`; make it with `rowback log ID --keys --output json`"},
		{"text list", "s.k", "TIME                  ID\n", "is the text output of `rowback log`"},
		{"another table", "s.k", `{"schema":"s","table":"other","key":{"a":"x","b":1}}`, "key 1 is of table other, not k"},
		{"ragged CSV", "s.k", "a,b\nx,1\nx\n", "keys: line 3: it has not as many values as the header has columns (2)"},
		{"CSV with a comma too many", "s.k", "a,b\nx,1\n\nx,y,2\n", "keys: line 4: it has not as many values"},
		{"CSV without a header", "s.k", "\n\nx,1\nz,2\n", `keys, line 3: the header is (x, 1), and s.k has no column "x", "1"; expected are the columns of its key, as they are stored: a,b`},
		{"CSV with another header", "s.k", "A,b\nx,1\n", `has no column "A"; expected`},
		{"CSV with other commas", "s.k", "a;b\nx;1\n", `has no column "a;b"; expected are the columns of its key, as they are stored: a,b`},
		{"CSV with columns that are no key", "s.k", "a,b,v\nx,1,1\n", `line 1: the header is (a, b, v), and s.k has no key (a, b, v); expected`},
		{"CSV that names a column twice", "s.k", "a,a\nx,x\n", `keys: line 1: the header names "a" twice`},
		{"CSV with an open quote", "s.k", "a,b\nx,1\n\"y,1\nz,2\n", "keys: line 3: a value in quotes does not end where it should"},
		{"CSV with a quote in the middle", "s.k", "a,b\nx,1\ny\"z,1\n", "keys: line 3, column 2: a quote within a value"},
		{"CSV of an export", "s.k", "id,time,kind,outcome,database\n1,2,3,4,5\n", "is CSV of `rowback journal export`; make it with `rowback log ID --keys --output json`"},
		{"CSV with no number", "s.k", "a,b\n\"x\n\",1\nx,1\nz,two\n", "keys, line 5: the key is no value of s.k (a, b): invalid input syntax for type integer"},
		{"broken JSON", "s.k", `{"a":"x","b":1} {"a":"x","b":}`, "after key 1: invalid character '}'"},
		{"uneven JSON", "s.k", `{"a":"x","b":1}{"a":"x"}`, "key 2 has the columns (a)"},
		{"null", "s.k", `{"a":null,"b":1}`, "key 1: a is neither"},
		{"cut short", "s.k", `{"a":"x","b":1}{"a":`, "unexpected EOF"},
		{"empty", "s.k", " \n", "keys: is empty; expected are CSV with a header"},
		{"header alone", "s.k", "a,b\n", "holds no keys"},
		{"no such column", "s.k", `{"c":1}`, "keys: its keys are by (c), and s.k has no column \"c\"; expected"},
		{"part of the key", "s.k", `{"a":"x"}`, "s.k has no key (a); expected"},
		{"no such table", "s.q", `{"a":"x"}`, "table s.q does not exist"},
		{"not a number", "s.k", `{"a":"x","b":"two"}`, "keys, key 1: the key is no value of s.k (a, b): invalid input syntax for type integer"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := write(t, c.content)
			l.exec("DELETE FROM s.k")
			source, err := FromKeyFile(path, c.table)
			if err == nil {
				var report *Report
				report, err = Restore(context.Background(), Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source})
				if err == nil && report.Restored != 3 {
					t.Errorf("%+v", report)
				}
			}
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				l.is(l.state(l.production), before)
				return
			}
			var refusal *Refusal
			if !errors.As(err, &refusal) || refusal.Kind != Usage || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
	if _, err := FromKeyFile(filepath.Join(t.TempDir(), "none"), "p"); err == nil || !strings.Contains(err.Error(), "no such file") {
		t.Errorf("no file: %v", err)
	}
}

// So it is with tables that are looked at for rows that stay, and for an undo.
func TestRefuse_RowSecurityOfTablesAround(t *testing.T) {
	for _, table := range []string{"p", "c", "k"} {
		t.Run(table, func(t *testing.T) {
			l := newLab(t, fiveLinks+"; ALTER TABLE c ADD UNIQUE (x); CREATE TABLE k (id int PRIMARY KEY, x int REFERENCES c (x))").backup()
			id := l.incident("DELETE FROM p WHERE id <= 5")
			ordinary := l.asRole(l.production, l.role(append(allGrants, undoRoles)...))
			hide := fmt.Sprintf("ALTER TABLE %s ENABLE ROW LEVEL SECURITY; CREATE POLICY low ON %[1]s USING (id < 3)", table)
			show := fmt.Sprintf("ALTER TABLE %s DISABLE ROW LEVEL SECURITY; DROP POLICY low ON %[1]s", table)
			l.exec(hide)
			o := l.options(id)
			o.Production = ordinary
			l.refused(o, Denied, "row-level security hides rows of public."+table, "BYPASSRLS")
			l.exec(show)
			entry := l.restore(o).Entry
			l.exec(hide)
			_, err := Undo(context.Background(), UndoOptions{Production: ordinary, Journal: l.journal, IDs: []string{entry}})
			if err == nil || !strings.Contains(err.Error(), "row-level security hides rows of public."+table) {
				t.Errorf("undo: %v", err)
			}
		})
	}
}

// Columns may be called what a restore calls things; but for the names that it takes for its own.
func TestRefuse_ColumnsOfRowbacksOwnNames(t *testing.T) {
	const table = "CREATE TABLE p (u01 int PRIMARY KEY, u02 int UNIQUE, k01 int UNIQUE DEFERRABLE, %s int); INSERT INTO p SELECT i, i, i, i FROM generate_series(1, 5) i"
	l := newLab(t, fmt.Sprintf(table, "s")).backup()
	if report := l.restore(l.options(l.incident("DELETE FROM p"))); report.Restored != 5 {
		t.Errorf("%+v", report)
	}
	l = newLab(t, fmt.Sprintf(table, "rowback_no")).backup()
	l.refused(l.options(l.incident("DELETE FROM p")), Unfit, "its column rowback_no has a name of the kind that rowback takes for its own")
}
