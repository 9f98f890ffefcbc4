package protect_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
)

// places: two levels that cascade, and links to them that are cut.
const places = `
CREATE TABLE country (id int PRIMARY KEY);
CREATE TABLE city (id int PRIMARY KEY, country int NOT NULL REFERENCES country ON DELETE CASCADE);
CREATE TABLE customer (name text, id bigint PRIMARY KEY, gone int, city int REFERENCES city ON DELETE SET NULL, home int DEFAULT 0 REFERENCES country ON DELETE SET DEFAULT);
ALTER TABLE customer DROP COLUMN gone;
INSERT INTO country SELECT generate_series(0, 3);
INSERT INTO city SELECT i, i % 4 FROM generate_series(1, 8) i;
INSERT INTO customer SELECT 'c' || i, i, 1 + i % 8, i % 4 FROM generate_series(1, 16) i;`

// links of the newest entry: table, via, rows and captured, then the keys.
func (l *lab) links(entry int) (tables, all []string) {
	l.t.Helper()
	j := l.journal()
	l.collect(j, protect.CollectOptions{Journal: "a", Again: true})
	e := entries(l.t, j)[entry]
	for _, x := range e.Tables {
		if !x.Removed() {
			tables = append(tables, strings.TrimSpace(fmt.Sprint(x.Name, " ", x.Via, " ", x.Rows, " ", x.KeysCaptured, " ", x.Why)))
		}
	}
	for _, k := range keys(l.t, j, e) {
		if strings.Contains(k, `"old"`) {
			all = append(all, k)
		}
	}
	return tables, all
}

func TestLinks_CutByADeleteAreInTheEntry(t *testing.T) {
	l := newLab(t, places)
	l.install(protect.InstallOptions{Tables: []string{"country"}})
	l.covered()
	l.exec("UPDATE customer SET city = NULL WHERE id = 16", "DELETE FROM country WHERE id = 1")
	tables, links := l.links(0)
	equal(t, "tables", tables, []string{"customer set_default 4 true", "customer set_null 3 true"})
	if len(links) != 7 || links[0] != `{"schema":"public","table":"customer","key":{"id":12},"old":{"city":5}}` {
		t.Errorf("%q", links)
	}
	// What was removed is counted and told without them.
	j := l.journal()
	l.collect(j, protect.CollectOptions{Journal: "b"})
	all := entries(t, j)
	if e := all[0]; len(all) != 1 || e.Rows != 3 || len(e.Statements) != 1 || e.Statements[0].Tag != "DELETE 1" {
		t.Errorf("%+v", e)
	}
}

func TestLinks_CountAgainstNoLimit(t *testing.T) {
	l := newLab(t, places)
	l.install(protect.InstallOptions{Tables: []string{"country"}, Threshold: 3})
	if err := try(l.conn, "DELETE FROM country WHERE id = 1"); err != nil {
		t.Error(err)
	}
	refused(t, try(l.conn, "BEGIN; DELETE FROM country WHERE id = 2; DELETE FROM country WHERE id = 3; COMMIT"), "would bring the rows removed by this transaction to 6 rows (country 2, city 4), limit 3")
}

// Savepoints take the links back with the deletion, and a client that sets
// rowback.open makes no entry.
func TestLinks_OnlyOfWhatWasRemoved(t *testing.T) {
	l := newLab(t, places)
	l.install(protect.InstallOptions{Tables: []string{"country"}})
	l.exec("BEGIN; DELETE FROM country WHERE id = 1; SAVEPOINT s; DELETE FROM country WHERE id = 2; ROLLBACK TO s; COMMIT",
		"BEGIN; SET LOCAL rowback.open = 'x'; UPDATE customer SET city = NULL WHERE city IS NOT NULL; COMMIT")
	tables, _ := l.links(0)
	equal(t, "tables", tables, []string{"customer set_default 4 true", "customer set_null 4 true"})
	j := l.journal()
	if done := l.collect(j, protect.CollectOptions{Journal: "b"}); done.Entries != 1 {
		t.Errorf("%+v", done)
	}
}

// Partitions have their columns in another order; keys are of any type, or none.
func TestLinks_OfEveryShape(t *testing.T) {
	some := ` ("B b")`
	if v := pgtest.Shared(t).Version(); v < 15 {
		t.Logf("not run on PostgreSQL %d: ON DELETE SET NULL (columns) came with 15", v)
		some = ""
	}
	l := newLab(t, `CREATE TABLE p (a int, b int, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 1), (1, 2)`,
		`CREATE TABLE parted (k timestamptz, r int, "B b" int, x int, PRIMARY KEY (k, r), FOREIGN KEY (x, "B b") REFERENCES p ON DELETE SET NULL`+some+`) PARTITION BY LIST (r)`,
		`CREATE TABLE odd (x int, "B b" int, r int NOT NULL, k timestamptz NOT NULL)`, `ALTER TABLE parted ATTACH PARTITION odd FOR VALUES IN (1)`,
		`INSERT INTO parted VALUES ('2026-01-02 03:04:05+00', 1, 1, 1)`,
		`CREATE TABLE keyless (a int, b int, FOREIGN KEY (a, b) REFERENCES p ON DELETE SET NULL); INSERT INTO keyless VALUES (1, 1), (1, 1)`,
		`CREATE TABLE self (id int PRIMARY KEY, boss int REFERENCES self ON DELETE SET NULL); INSERT INTO self VALUES (1, NULL), (2, 1), (3, 2)`)
	l.install(protect.InstallOptions{All: true})
	l.covered()
	l.exec("SET datestyle = 'German'; SET timezone = 'Asia/Kathmandu'; DELETE FROM p WHERE b = 1; RESET ALL", "DELETE FROM self WHERE id = 1")
	tables, links := l.links(1)
	equal(t, "tables", tables, []string{"parted set_null 1 true", "keyless set_null 2 false the table has no primary key or unique not-null key"})
	equal(t, "links", links, []string{`{"schema":"public","table":"parted","key":{"k":"2026-01-02T03:04:05+00:00","r":1},"old":{"x":1,"B b":1}}`})
	_, links = l.links(0)
	equal(t, "links to itself", links, []string{`{"schema":"public","table":"self","key":{"id":2},"old":{"boss":1}}`})
}

// A column that was changed since Install hinders no DELETE.
func TestLinks_OfColumnsThatChanged(t *testing.T) {
	for _, c := range []struct{ change, why string }{
		{"ALTER TABLE customer ADD COLUMN extra int DEFAULT 1", ""},
		{"ALTER TABLE customer DROP COLUMN name", "its key columns have changed since rowback protect install"},
		{"ALTER TABLE customer RENAME TO client", ""},
		{"ALTER TABLE customer RENAME COLUMN city TO town", "its key columns have changed since rowback protect install"},
		{"ALTER TABLE customer ALTER COLUMN id TYPE numeric", "its key columns have changed since rowback protect install"},
	} {
		l := newLab(t, places)
		l.install(protect.InstallOptions{Tables: []string{"city"}})
		l.exec("DELETE FROM city WHERE id = 1", c.change, "DELETE FROM city WHERE id = 2") // in one session
		tables, _ := l.links(0)
		if len(tables) != 1 || !strings.HasSuffix(tables[0], strings.TrimSpace(fmt.Sprint("set_null 2 ", c.why == "", " ", c.why))) {
			t.Errorf("%s: %q", c.change, tables)
		}
		l.install(protect.InstallOptions{})
		l.covered()
		l.exec("DELETE FROM city WHERE id = 3")
		if tables, _ := l.links(0); len(tables) != 1 || !strings.HasSuffix(tables[0], "set_null 2 true") {
			t.Errorf("%s, installed again: %q", c.change, tables)
		}
	}
}

// Tables that have only links are not guarded, and go with the guard.
func TestLinks_TablesComeAndGoWithTheGuard(t *testing.T) {
	l := newLab(t, places)
	before := l.schema()
	p := l.install(protect.InstallOptions{Tables: []string{"city"}, Threshold: 5})
	if c := p.Tables[1]; c.Table != "customer" || c.Limits != "links only" || c.Why != "its links to public.city" {
		t.Errorf("%+v", c)
	}
	l.exec("DELETE FROM customer") // 16 rows
	if p := l.install(protect.InstallOptions{Tables: []string{"city"}}); len(p.SQL) != 0 {
		t.Errorf("%q", p.SQL)
	}
	l.exec("DROP TRIGGER rowback_link_4 ON customer")
	if s := l.status("city"); s.OK() || s.Tables[1].Table != "customer" {
		t.Errorf("%+v", s)
	}
	l.install(protect.InstallOptions{})
	l.covered()
	l.install(protect.InstallOptions{Tables: []string{"customer"}, Threshold: 7})
	if s := l.status("customer"); !s.OK() || s.Tables[0].Threshold != 7 {
		t.Errorf("%+v", s)
	}
	l.remove(protect.RemoveOptions{Tables: []string{"customer"}})
	l.covered()
	p = l.remove(protect.RemoveOptions{All: true, Purge: true})
	if c := p.Tables[1]; c.Table != "customer" || c.Why != "it only followed public.city" {
		t.Errorf("%+v", p.Tables)
	}
	if after := l.schema(); after != before {
		t.Errorf("the schema is another:\n%s", after)
	}
	l.install(protect.InstallOptions{Tables: []string{"city"}, Alone: true})
	if s := l.status(); len(s.Tables) != 1 {
		t.Errorf("with --no-cascades %+v", s)
	}
}
