package recovery

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// Of every type the image alone brings the row back bit for bit, into a table
// made anew as well.
func TestImages_EveryTypeBitForBit(t *testing.T) {
	sql := []string{typeSchema}
	n := 0
	for kind, values := range knownTypes(t) {
		n++
		sql = append(sql, fmt.Sprintf("CREATE TABLE v%d (id int PRIMARY KEY, v %s, m mood DEFAULT 'sad'); INSERT INTO v%[1]d VALUES (0, NULL)", n, kind))
		for i, v := range values {
			sql = append(sql, fmt.Sprintf("INSERT INTO v%d VALUES (%d, (%s)::%s)", n, i+1, v, kind))
		}
	}
	l := newLab(t, sql...)
	role := l.productionRole(append(allGrants, "GRANT USAGE ON SCHEMA ext TO ROLE")...)
	before, bits := l.state(l.production), l.bits()
	for _, who := range []string{"superuser", "ordinary role"} {
		var empty []string
		for table := range before {
			empty = append(empty, "DELETE FROM "+table)
		}
		o := l.alone(l.imaged(nil, empty...))
		if who != "superuser" {
			o.Production = l.asRole(l.production, role)
		}
		report := l.restore(o)
		l.is(l.state(l.production), before)
		now := l.bits()
		for table, sum := range bits {
			if now[table] != sum {
				t.Errorf("%s: %s is not bit for bit as it was", who, table)
			}
		}
		if !report.Complete() || len(report.Warnings) > 0 {
			t.Errorf("%s: %v %v", who, report.Unrestored, report.Warnings)
		}
		for _, c := range report.Tables {
			if c.FromImages != c.Restored || c.Restored == 0 {
				t.Errorf("%+v", c)
			}
		}
		if again := l.restore(o); again.Restored != 0 || !again.Complete() {
			t.Errorf("%s again: %+v", who, again)
		}
	}
}

const imageShop = `CREATE TABLE customers (id int PRIMARY KEY, name text); INSERT INTO customers VALUES (1, 'stays');
	CREATE TABLE orders (id serial PRIMARY KEY, customer int NOT NULL REFERENCES customers, note text, twice int GENERATED ALWAYS AS (id * 2) STORED);
	CREATE TABLE lines (order_id int REFERENCES orders ON DELETE CASCADE, no int, what text DEFAULT 'thing', PRIMARY KEY (order_id, no));
	INSERT INTO orders (customer, note) SELECT 1, 'order ' || i FROM generate_series(1, 10) i; INSERT INTO lines SELECT i, j, 'line' FROM generate_series(1, 10) i, generate_series(1, 3) j;`

// Rows newer than the backup come back with the older ones, with or without the
// backup, and so with the ways that restores have.
func TestImages_RowsNewerThanTheBackup(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"with backup": func(o *Options) {}, "alone": func(o *Options) { o.Recovery = "" }, "in pieces": func(o *Options) { o.Recovery, o.Batch = "", 2 },
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, imageShop).backup()
			l.exec("INSERT INTO orders (customer, note) VALUES (1, 'new')", "INSERT INTO lines VALUES (11, 1, 'new line')", "UPDATE orders SET note = 'changed since' WHERE id = 3")
			before := l.state(l.production)
			id := l.imaged(nil, "DELETE FROM orders WHERE id > 2")
			o := l.options(id)
			change(&o)
			plan := l.restore(func() Options { p := o; p.DryRun = true; return p }())
			var text strings.Builder
			plan.WriteText(&text)
			if !strings.Contains(text.String(), "orders: 9 rows from the images in the journal") {
				t.Errorf("plan:\n%s", &text)
			}
			report := l.restore(o)
			l.is(l.state(l.production), before)
			if !report.Complete() || report.Restored != 9+25 {
				t.Errorf("%+v", report)
			}
			if again := l.restore(o); again.Restored != 0 || !again.Complete() || l.count(again, "orders").AlreadyPresent != 9 {
				t.Errorf("again: %+v", again.Tables)
			}
			undone, err := Undo(context.Background(), UndoOptions{Production: l.production, Journal: l.journal, IDs: recordsOf(report)})
			if err != nil || undone.Removed != 34 {
				t.Errorf("undo: %+v, %v", undone, err)
			}
		})
	}
}

func recordsOf(r *Report) []string {
	if len(r.Entries) > 0 {
		return r.Entries
	}
	return []string{r.Entry}
}

// Of a deletion without images everything is missing where there is no recovery
// database, and the reason says so.
func TestImages_SomeTablesHaveNone(t *testing.T) {
	l := newLab(t, imageShop).backup()
	before := l.state(l.production)
	older := l.incident("DELETE FROM lines WHERE order_id = 1")
	whole := l.imaged(nil, "DELETE FROM orders WHERE id = 2")
	report := l.restore(l.alone(older, whole))
	if report.Complete() || l.count(report, "lines").Missing != 3 || l.count(report, "lines").Restored != 3 || l.count(report, "orders").Restored != 1 {
		t.Errorf("%+v", report.Tables)
	}
	if u := report.Unrestored; len(u) != 3 || !strings.Contains(u[0].Reason, "no image of it in the journal, and no recovery database is given") {
		t.Errorf("%+v", u)
	}
	report = l.restore(l.options(older, whole)) // lines has both sources now
	if !report.Complete() || report.Restored != 3 {
		t.Errorf("%+v", report)
	}
	l.is(l.state(l.production), before)
	if _, err := Restore(context.Background(), l.alone(older)); err == nil || !strings.Contains(err.Error(), "no recovery database is given") {
		t.Error(err)
	}
}

// Of a row that was deleted twice the last state comes back.
func TestImages_LatestDeletionCounts(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, v text, w text); INSERT INTO p VALUES (1, 'first', 'w'), (2, 'other', 'w')").backup()
	a := l.imaged(nil, "DELETE FROM p WHERE id = 1")
	l.exec("INSERT INTO p VALUES (1, 'second', repeat('x', 3000))")
	b := l.imaged(nil, "DELETE FROM p")
	l.restore(l.options(b, a))
	if got := l.state(l.production)["public.p"]; got["1"]["v"] != "second" || got["2"]["v"] != "other" {
		t.Errorf("%v", got)
	}
}

// Live rows are never changed: what is there with other values is listed.
func TestImages_DifferentAndConflicts(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, u text UNIQUE, v text); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p); INSERT INTO p VALUES (1, 'a', 'x'), (2, 'b', 'x'), (3, 'c', 'x'); INSERT INTO c VALUES (1, 1), (2, 2), (3, 3)")
	id := l.imaged(nil, "DELETE FROM c", "DELETE FROM p")
	l.exec("INSERT INTO p VALUES (1, 'a', 'other'), (9, 'b', 'x')")
	now := l.state(l.production)["public.p"]
	report := l.restore(l.alone(id))
	if p, c := l.count(report, "p"), l.count(report, "c"); p.Different != 1 || p.Conflicts != 1 || p.Restored != 1 || c.Restored != 2 || c.ParentGone != 1 {
		t.Errorf("%+v %+v", p, c)
	}
	if after := l.state(l.production)["public.p"]; after["1"]["v"] != now["1"]["v"] || len(after) != 3 {
		t.Errorf("%v", after)
	}
	o := l.alone(id)
	o.OnDifferent = FailDifferent
	var refusal *Refusal
	if _, err := Restore(context.Background(), o); !errors.As(err, &refusal) || refusal.Kind != Differs {
		t.Error(err)
	}
}

// What changed about the table since.
func TestImages_Drift(t *testing.T) {
	l := newLab(t, "CREATE TYPE pair AS (a int, b text); CREATE TABLE p (id int PRIMARY KEY, n int, gone text, old text, c pair); INSERT INTO p VALUES (1, 5, 'x', 'o', (1, 'b'))")
	id := l.imaged(nil, "DELETE FROM p")
	l.exec("ALTER TABLE p ALTER n TYPE bigint, DROP gone, ADD added text DEFAULT 'd', ADD plain int; ALTER TABLE p RENAME old TO young")
	o := l.alone(id)
	o.Config = &Config{Tables: []TableConfig{{Name: "p", Rename: map[string]string{"old": "young"}}}}
	report := l.restore(o)
	if got := l.state(l.production)["public.p"]["1"]; got["n"] != "5" || got["added"] != "d" || got["plain"] != null || got["young"] != "o" || got["c"] != "(1,b)" {
		t.Errorf("%v", got)
	}
	for _, want := range []string{"public.p.n: integer when the rows went, bigint in production", "p.added is not in the journal's images; restored rows get its default: 'd'", "p.plain is not in the journal's images", "p.gone exists only in the journal's images", "takes the values that old had"} {
		if !strings.Contains(strings.Join(report.Warnings, "\n"), strings.TrimPrefix(want, "public.")) {
			t.Errorf("%q is not said: %q", want, report.Warnings)
		}
	}
	for change, want := range map[string]string{
		"ALTER TABLE p ALTER n TYPE date USING now()":                                                  "p.n was integer when the rows went and is date in production",
		"DROP TYPE pair CASCADE; CREATE TYPE pair AS (a int, b text, d int); ALTER TABLE p ADD c pair": "p.c: the attributes of public.pair are not for certain",
		"ALTER TABLE p ADD must int NOT NULL":                                                          "p.must is not in the journal's images, is NOT NULL and has no default",
		"DROP TYPE pair CASCADE":                                                                       "p.c was of type public.pair, which production has not any more",
	} {
		fresh := newLab(t, "CREATE TYPE pair AS (a int, b text); CREATE TABLE p (id int PRIMARY KEY, n int, gone text, old text, c pair); INSERT INTO p VALUES (1, 5, 'x', 'o', (1, 'b'))")
		id := fresh.imaged(nil, "DELETE FROM p")
		fresh.exec(change)
		_, err := Restore(context.Background(), fresh.alone(id))
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "(1,b)") {
			t.Errorf("%s: %v, want %s", change, err, want)
		}
		if got := fresh.content("p"); len(got) != 0 {
			t.Errorf("%s: %v", change, got)
		}
	}
}

// The configuration's expressions and filters work on images as on the recovery
// database's rows.
func TestImages_Configuration(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY, v text, w text); INSERT INTO p SELECT i, 'v' || i, 'w' FROM generate_series(1, 4) i")
	id := l.imaged(nil, "DELETE FROM p")
	o := l.alone(id)
	o.Config = &Config{Tables: []TableConfig{{Name: "p", Where: "p.id < 3", Columns: map[string]string{"w": "upper(v) || id"}}}}
	report := l.restore(o)
	if c := l.count(report, "p"); c.Restored != 2 || c.Filtered != 2 {
		t.Errorf("%+v", c)
	}
	if got := l.content("p"); !slices.Equal(got, []string{"(1,v1,V11)", "(2,v2,V22)"}) {
		t.Errorf("%v", got)
	}
}

func TestImages_ExcludedColumns(t *testing.T) {
	const schema = "CREATE TABLE p (id int PRIMARY KEY, name text, secret text DEFAULT 'none', plain int, must text NOT NULL DEFAULT 'm'); INSERT INTO p SELECT i, 'n' || i, 's' || i, i, 'has' FROM generate_series(1, 4) i"
	keep := func(table, column string) bool { return column != "secret" && column != "plain" }
	for _, backup := range []bool{true, false} {
		l := newLab(t, schema)
		if backup {
			l.backup()
		}
		l.exec("INSERT INTO p VALUES (5, 'newer', 's5', 5, 'has')", "UPDATE p SET name = 'renamed' WHERE id = 2")
		id := l.imaged(keep, "DELETE FROM p WHERE id > 1")
		report := l.restore(l.options(id))
		want := []string{"(1,n1,s1,1,has)", "(2,renamed,s2,2,has)", "(3,n3,s3,3,has)", "(4,n4,s4,4,has)", "(5,newer,none,,has)"}
		if !backup {
			want = []string{"(1,n1,s1,1,has)", "(2,renamed,none,,has)", "(3,n3,none,,has)", "(4,n4,none,,has)", "(5,newer,none,,has)"}
		}
		if got := l.content("p"); !slices.Equal(got, want) {
			t.Errorf("backup %v:\n got %v\nwant %v", backup, got, want)
		}
		if said := strings.Join(report.Warnings, "\n"); !strings.Contains(said, "p.secret is kept out of the journal's images by the policy") || !report.Complete() {
			t.Errorf("%v %+v", report.Warnings, report.Unrestored)
		}
		if again := l.restore(l.options(id)); again.Restored != 0 || !again.Complete() || l.count(again, "p").AlreadyPresent != 4 {
			t.Errorf("again: %+v", again.Tables)
		}
	}
	// What must have a value, and has it nowhere.
	keep = func(table, column string) bool { return column != "must" }
	for _, backup := range []bool{true, false} {
		l := newLab(t, schema, "ALTER TABLE p ALTER must DROP DEFAULT")
		if backup {
			l.backup()
		}
		l.exec("INSERT INTO p VALUES (5, 'newer', 's5', 5, 'has')")
		id := l.imaged(keep, "DELETE FROM p")
		_, err := Restore(context.Background(), l.options(id))
		var refusal *Refusal
		if !errors.As(err, &refusal) || !strings.Contains(err.Error(), "p.must") {
			t.Errorf("backup %v: %v", backup, err)
		}
		if got := l.content("p"); len(got) != 0 {
			t.Errorf("%v", got)
		}
	}
}

// Without a key the whole row is what is known of it.
func TestImages_TableWithoutAKey(t *testing.T) {
	l := newLab(t, "CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2); CREATE TABLE k (p int REFERENCES p ON DELETE CASCADE, v float8, j json, t text); INSERT INTO k VALUES (1, 'NaN', '{\"a\": 1.00}', 'x'), (1, 'NaN', '{\"a\": 1.00}', 'x'), (1, '-0', NULL, NULL), (2, 0, NULL, NULL)")
	before := l.content("k")
	id := l.imaged(nil, "DELETE FROM p WHERE id = 1")
	report := l.restore(l.alone(id))
	if got := l.content("k"); !slices.Equal(got, before) || l.count(report, "k").Restored != 3 || !report.Complete() {
		t.Errorf("%v, want %v; %+v", got, before, report)
	}
	// The journal knows that they are back; what has gone since stays so, and is listed.
	if again := l.restore(l.alone(id)); l.count(again, "k").AlreadyPresent != 3 || again.Restored != 0 || !again.Complete() {
		t.Errorf("%+v", again)
	}
	l.exec("DELETE FROM k WHERE ctid = (SELECT min(ctid) FROM k WHERE t = 'x')")
	again := l.restore(l.alone(id))
	if c := l.count(again, "k"); c.AlreadyPresent != 2 || again.Restored != 0 || again.Complete() || !strings.Contains(again.Unrestored[0].Reason, "1 rows: "+report.Entry+" brought it back") {
		t.Errorf("%+v %+v", c, again.Unrestored)
	}
	// A row that is identical to a live one may be it.
	other := l.imaged(nil, "DELETE FROM k WHERE v = 0")
	l.exec("INSERT INTO k VALUES (2, 0, NULL, NULL)")
	report = l.restore(l.alone(other))
	if c := l.count(report, "k"); c.Different != 1 || c.Restored != 1 || report.Complete() || !strings.Contains(report.Unrestored[0].Reason, "an identical row is in production") {
		t.Errorf("%+v %+v", c, report.Unrestored)
	}
	// Keys alone name nothing.
	l.exec("INSERT INTO k VALUES (2, 7, NULL, NULL)")
	l.backup()
	bare := l.imaged(nil, "DELETE FROM k WHERE v = 7")
	o := l.options(bare)
	o.NoImages = true
	if _, err := Restore(context.Background(), o); err == nil || !strings.Contains(err.Error(), "k") {
		t.Error(err)
	}
}

// TRUNCATE and DROP TABLE: the table is made anew, and its rows come back.
func TestImages_TableMadeAnew(t *testing.T) {
	const table = "CREATE TABLE d (id int PRIMARY KEY, m mood, ms mood[]); "
	l := newLab(t, "CREATE TYPE mood AS ENUM ('sad', 'ok'); "+table+"INSERT INTO d VALUES (1, 'ok', '{sad}'), (2, 'sad', NULL)")
	before := l.content("d")
	id := l.imaged(nil, "DELETE FROM d")
	l.exec("DROP TABLE d", table)
	l.restore(l.alone(id))
	if got := l.content("d"); !slices.Equal(got, before) {
		t.Errorf("%v", got)
	}
	// A type of the same name and another number: from 14 on the server reads its
	// values by what it is now, before it refuses them.
	l.exec("DROP TABLE d; DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'ok')", table)
	var refusal *Refusal
	if _, err := Restore(context.Background(), l.alone(id)); err != nil && !errors.As(err, &refusal) {
		t.Error(err)
	} else if got := l.content("d"); err == nil && !slices.Equal(got, before) || err != nil && len(got) > 0 {
		t.Errorf("%v, %v", got, err)
	}
	// One that has not all of the labels.
	l.exec("DROP TABLE d; DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'fine')", table)
	if _, err := Restore(context.Background(), l.alone(id)); !errors.As(err, &refusal) || !strings.Contains(err.Error(), "images of rows of public.d.m cannot be loaded") || len(l.content("d")) > 0 {
		t.Error(err)
	}
}

// Damage is an error, and nothing is written.
func TestImages_Damaged(t *testing.T) {
	l := newLab(t, imageShop)
	id := l.imaged(nil, "DELETE FROM lines")
	o := l.alone(id)
	images := o.Source.Images
	for name, broken := range map[string]func(i journal.Image) (journal.Image, error){
		"an error": func(i journal.Image) (journal.Image, error) { return i, journal.ErrDamaged },
		"a field less": func(i journal.Image) (journal.Image, error) {
			i.Data = append([]byte{0, 0, 0, 2}, i.Data[4:]...)
			return i, nil
		},
		"bytes of a type": func(i journal.Image) (journal.Image, error) {
			i.Data[11] = 3
			i.Data = slices.Delete(i.Data, 12, 13)
			return i, nil
		},
	} {
		o.Source.Images = func(yield func(journal.Image, error) bool) {
			n := 0
			for i, err := range images {
				if n++; n == 20 {
					i, err = broken(i)
				}
				if !yield(i, err) || err != nil {
					return
				}
			}
		}
		if _, err := Restore(context.Background(), o); err == nil {
			t.Errorf("%s: restored", name)
		}
		if got := l.content("lines"); len(got) != 0 {
			t.Errorf("%s: %d rows", name, len(got))
		}
	}
}

// Images of large rows, more than are held at once.
func TestImages_Large(t *testing.T) {
	l := newLab(t, "CREATE TABLE big (id int PRIMARY KEY, v text, b bytea); INSERT INTO big SELECT i, (SELECT string_agg(md5((i * j)::text), '') FROM generate_series(1, 70000) j), decode(repeat('00ff', 500000), 'hex') FROM generate_series(1, 6) i")
	bits := l.bits()
	id := l.imaged(nil, "DELETE FROM big")
	if report := l.restore(l.alone(id)); report.Restored != 6 {
		t.Errorf("%+v", report)
	}
	if now := l.bits(); now["big"] != bits["big"] || now["big"] == "" && now["public.big"] != bits["public.big"] {
		t.Error("not bit for bit")
	}
}

// productionRole is role, in production alone.
func (l *lab) productionRole(grants ...string) string {
	l.t.Helper()
	l.recovery = l.production
	defer func() { l.recovery = "" }()
	return l.role(grants...)
}
