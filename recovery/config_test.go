package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// configured is the configuration in a text.
func configured(t *testing.T, text string) *Config {
	t.Helper()
	c, err := parsed(text)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func parsed(text string) (*Config, error) {
	node, err := yamlstrict.Parse([]byte(text))
	if err != nil {
		return nil, err
	}
	return ParseConfig(node)
}

func TestParseConfig_SaysWhatIsWrongInWhichLine(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"tabels: {}", `line 1: unknown setting of restore "tabels", did you mean "tables"?`},
		{"tables:\n  p: {wehre: x}", `line 2: unknown setting of a table "wehre", did you mean "where"?`},
		{"tables:\n  p: {where: ''}", "line 2: where is empty"},
		{"tables:\n  p: {skip: perhaps}", "line 2: skip takes true or false"},
		{"tables:\n  p: {}\n  p: {}", "line 3: p is already set in line 2"},
		{"tables:\n  p:\n    rename: {a: x, b: x}", "line 3: columns a and b are both renamed to x"},
		{"tables: [p]", "line 1: tables takes lines of the form"},
		{"tables:\n  p: {columns: [a]}", "line 2: columns takes lines of the form"},
		{"before:\n  - SELECT 1\n  - SELECT 1; SELECT 2", "line 3: has 2 statements"},
		{"after:\n  - COMMIT", "line 2: begins or ends a transaction"},
		{"after:\n  - SELEC 1", "line 2: is no SQL"},
		{"before: [COPY p FROM STDIN]", "line 1: is COPY"},
		{"polymorphic:\n  - {table: c, type: kind}", "line 2: a polymorphic reference needs id"},
		{"polymorphic:\n  - {table: c, type: kind, id: i}", "line 2: a polymorphic reference needs targets"},
		{"polymorphic:\n  - table: c\n    targets:\n      x: {column: id}", "line 4: x lacks table"},
	} {
		if _, err := parsed(c.text); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v, want %q", c.text, err, c.want)
		}
	}
	c := configured(t, `{tables: {"s.P q": {from: o.p, rename: {a: b}, columns: {c: "1 + 1"}, where: "x > 0"}, gone: {skip: yes}},
		polymorphic: [{table: c, type: kind, id: kid, targets: {p: p, q: {table: s.q, column: nr}}}], before: ["SELECT 1"], after: ["SELECT 2", "SELECT 3"]}`)
	p := c.Tables[0]
	if p.Name != "s.P q" || p.From != "o.p" || p.Rename["a"] != "b" || p.Columns["c"] != "1 + 1" || p.Where != "x > 0" || !c.Tables[1].Skip ||
		len(c.Polymorphic[0].Targets) != 2 || c.Polymorphic[0].Targets[1] != (Target{"q", "s.q", "nr"}) || len(c.Before) != 1 || len(c.After) != 2 {
		t.Errorf("%+v", c)
	}
}

func TestConfig_WhatDoesNotFitTheDatabaseIsRefused(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, v int, g int GENERATED ALWAYS AS (v) STORED); CREATE TABLE q (a int, b int, PRIMARY KEY (a, b)); INSERT INTO p VALUES (1, 1)`).backup()
	o := l.options(l.incident("DELETE FROM p"))
	for _, c := range []struct{ text, want string }{
		{"tables: {r: {where: x}}", "restore.tables (line 1): table r does not exist"},
		{"tables: {p: {rename: {old: v}}}", "restore.tables.p (line 1): rename: table public.p in the recovery database has no column old"},
		{"tables: {p: {rename: {v: new}}}", "rename: table public.p in production has no column new"},
		{"tables: {p: {columns: {w: 1}}}", "columns: table public.p in production has no column w"},
		{"tables: {p: {columns: {id: 1}}}", "columns: id is of the key"},
		{"tables: {p: {columns: {g: 1}}}", "columns: g is a generated column"},
		{"tables: {p: {columns: {v: nonsense}}}", `restore.tables.p.columns.v (line 1): `},
		{"tables: {p: {columns: {v: '1); SELECT (1'}}}", "restore.tables.p.columns.v (line 1): "},
		{"tables: {p: {where: v}}", "restore.tables.p.where (line 1): "},
		{"tables: {p: {from: elsewhere.p}}", "table elsewhere.p does not exist in database"},
		{"polymorphic: [{table: p, type: kind, id: v, targets: {x: p}}]", "restore.polymorphic (line 1): table public.p has no column kind"},
		{"polymorphic: [{table: p, type: g, id: v, targets: {x: q}}]", "table public.q has no key of one column"},
	} {
		o.Config = configured(t, c.text)
		kind := Usage
		if strings.Contains(c.text, "elsewhere") {
			kind = Unfit
		}
		l.refused(o, kind, c.want)
	}
}

func TestConfig_FiltersExpressionsAndHooks(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, v int, note text, at timestamp); CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p ON DELETE CASCADE);
		CREATE TABLE log (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE); CREATE TABLE told (id serial PRIMARY KEY, what text, n int);
		INSERT INTO p SELECT i, i, 'n' || i, '2024-01-01 00:00' FROM generate_series(1, 10) i; INSERT INTO c SELECT i, i FROM generate_series(1, 10) i; INSERT INTO log SELECT i, i FROM generate_series(1, 10) i`).backup()
	role := l.role(allGrants...)
	for _, who := range []string{"superuser", "ordinary role"} {
		before := l.state(l.production)
		id := l.incident("DELETE FROM p WHERE id > 2")
		o := l.options(id)
		if who != "superuser" {
			o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
		}
		o.Config = configured(t, `
tables:
  p:
    where: v <> 5
    columns:
      note: "'was ' || p.note || ' of ' || id"
      at: at AT TIME ZONE 'UTC' AT TIME ZONE 'Asia/Tokyo'
  log: {skip: true}
before: ["INSERT INTO told (what, n) SELECT 'before', count(*) FROM p"]
after: ["INSERT INTO told (what, n) SELECT 'after', count(*) FROM p"]
`)
		o.DryRun = true
		plan := l.restore(o)
		var text strings.Builder
		plan.WriteText(&text)
		for _, want := range []string{"before: INSERT INTO told", "after: INSERT INTO told", "public.p.note is made from", "8 rows of public.log stay out: the configuration says skip", "filtered"} {
			if !strings.Contains(text.String(), want) {
				t.Errorf("the plan does not say %q:\n%s", want, text.String())
			}
		}
		if n := len(l.state(l.production)["public.told"]); n != len(before["public.told"]) {
			t.Errorf("the dry run ran hooks: %d", n)
		}
		o.DryRun = false
		report := l.restore(o)
		if c := l.count(report, "p"); c.Restored != 7 || c.Filtered != 1 {
			t.Errorf("p: %+v", c)
		}
		if c := l.count(report, "c"); c.Restored != 7 || c.ParentGone != 1 {
			t.Errorf("c: %+v", c)
		}
		if c := l.count(report, "log"); c.Filtered != 8 || c.Restored != 0 || len(report.Unrestored) != 1 {
			t.Errorf("log: %+v, unrestored %v", c, reasons(report))
		}
		now := l.state(l.production)
		if row := now["public.p"]["3"]; row["note"] != "was n3 of 3" || row["at"] != "2024-01-01 09:00:00" || row["v"] != "3" {
			t.Errorf("p 3: %q", row)
		}
		told := map[string]string{}
		for _, row := range now["public.told"] {
			told[row["what"]] = row["n"]
		}
		if told["before"] != "2" || told["after"] != "9" {
			t.Errorf("told: %v", told)
		}
		l.exec("DELETE FROM told; DELETE FROM c; DELETE FROM p; INSERT INTO p SELECT i, i, 'n' || i, '2024-01-01 00:00' FROM generate_series(1, 10) i; INSERT INTO c SELECT i, i FROM generate_series(1, 10) i; INSERT INTO log SELECT i, i FROM generate_series(1, 10) i")
	}
	// What a hook does to restored rows is found, and a hook that fails stops all.
	id := l.incident("DELETE FROM p WHERE id = 3")
	before := l.state(l.production)
	for text, want := range map[string]string{
		"after: ['UPDATE p SET v = -1']":  "verification failed",
		"after: ['SELECT 1 / 0']":         "restore.after, statement 1",
		"before: ['SELECT 1', 'nothing']": "",
	} {
		o := l.options(id)
		c, err := parsed(text)
		if want == "" {
			if err == nil {
				t.Errorf("%s is no SQL", text)
			}
			continue
		}
		o.Config = c
		if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
		l.is(l.state(l.production), before)
	}
}

func TestPolymorphic_ParentsAreKept(t *testing.T) {
	schema := `CREATE TABLE post (id int PRIMARY KEY); CREATE TABLE photo (nr uuid PRIMARY KEY, code text UNIQUE);
		CREATE TABLE comment (id int PRIMARY KEY, kind text, kid text, up int REFERENCES comment ON DELETE CASCADE);
		INSERT INTO post SELECT generate_series(1, 9); INSERT INTO photo SELECT md5(i::text)::uuid, 'c' || i FROM generate_series(1, 9) i;
		INSERT INTO comment SELECT i, 'post', i FROM generate_series(1, 9) i; INSERT INTO comment SELECT 10 + i, 'photo', 'c' || i, i FROM generate_series(1, 9) i; INSERT INTO comment VALUES (30, 'page', 'x'), (31, NULL, '1'), (32, 'post', NULL)`
	config := "polymorphic: [{table: comment, type: kind, id: kid, targets: {post: post, photo: {table: photo, column: code}}}]"
	l := newLab(t, schema).backup()
	role := l.role(allGrants...)
	before := l.state(l.production)
	for _, who := range []string{"superuser", "ordinary role"} {
		options := func(id string) Options {
			o := l.options(id)
			o.Config = configured(t, config)
			if who != "superuser" {
				o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
			}
			return o
		}
		all := l.incident("DELETE FROM comment; DELETE FROM post; DELETE FROM photo WHERE code <> 'c9'")
		report := l.restore(options(all))
		l.is(l.state(l.production), before)
		if order := strings.Join(report.plan.Order, ", "); !strings.HasSuffix(order, "comment") || !strings.Contains(order, "post") {
			t.Errorf("order: %s", order)
		}
		// Parents that went otherwise: their comments stay out, and what hangs on those.
		id := l.incident("DELETE FROM comment")
		l.incident("DELETE FROM post WHERE id = 3; DELETE FROM photo WHERE code = 'c5'")
		dry := options(id)
		dry.DryRun = true
		report = l.restore(dry)
		if c := l.count(report, "comment"); c.Restored != 18 || c.ParentGone != 3 {
			t.Errorf("comment: %+v %v", c, reasons(report))
		}
		o := options(id)
		o.WithParents = true
		report = l.restore(o)
		l.is(l.state(l.production), before)
		if l.count(report, "post").Parents != 1 || l.count(report, "photo").Parents != 1 {
			t.Errorf("%+v", report.Tables)
		}
	}
}
