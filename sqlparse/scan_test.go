package sqlparse

import (
	"slices"
	"strings"
	"testing"
)

// mutations of a text that mean the same to the server, or more.
func mutations(sql string) []string {
	return []string{
		sql,
		strings.ToUpper(sql),
		strings.ToLower(sql),
		" \n\t\f\v\r" + sql,
		"/* a /* nested */ comment */" + sql,
		"-- a comment\n" + sql,
		"-- a comment\r/**/--\n" + sql,
		";;" + sql,
		"SELECT 1;" + sql,
		"SELECT ';'; -- x\n" + sql,
		"INSERT INTO log VALUES (1) ;\n/* x */ " + sql,
		"BEGIN;" + sql + ";COMMIT",
		sql + "; SELECT 1",
		sql + "\x00",
		strings.ReplaceAll(sql, " ", "/* x */"),
		strings.ReplaceAll(sql, " ", "\n-- x\n"),
		strings.ReplaceAll(sql, " ", "\t\t"),
		strings.ReplaceAll(sql, "(", " (\n"),
	}
}

// mustLook reports whether Scan has to be true of a text. Unknown alone does
// not count: what begins like a harmless statement and has no word that
// matters removes nothing, whether or not PostgreSQL 16 can parse it.
func mustLook(all []Statement) bool {
	for _, s := range all {
		if s.Verb == Unknown {
			continue
		}
		if s.Verb != Plain || s.CopyIn || s.DDL || s.ChangesNames || s.CommitsItself {
			return true
		}
	}
	return false
}

func TestScan_NeverMissesWhatParseReports(t *testing.T) {
	var none *Names
	for _, c := range cases() {
		for _, m := range mutations(c.sql) {
			if all := Parse(m); mustLook(all) && !none.Scan([]byte(m)) {
				t.Errorf("Scan is false, Parse says %s:\n%s", summaries(all), m)
			}
		}
	}
}

func TestScan_LetsOrdinaryTrafficPass(t *testing.T) {
	names := NewNames(map[string]string{"purge": "", "purge_view": "", "Purge All": ""})
	for _, sql := range []string{
		``,
		`SELECT abalance FROM pgbench_accounts WHERE aid = $1;`,
		`UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2`,
		`INSERT INTO log (id) VALUES (1) ON CONFLICT DO NOTHING`,
		`/*app:web*/ INSERT INTO log (id) VALUES (1)`,
		"-- name: Get :one\nSELECT CASE WHEN a THEN 'commit' END FROM t",
		`WITH i AS (INSERT INTO log VALUES (1) RETURNING id) SELECT * FROM i`,
		`SELECT deleted, deleted_at, merged, purged FROM t WHERE "end" > 1`,
		`SELECT 'an &nbsp;html text; and more'`,
		`SELECT caf` + "\xc3\xa9" + ` FROM t`,
		`FETCH 100 FROM c`,
		`SELECT 1;`,
	} {
		if names.Scan([]byte(sql)) {
			t.Errorf("Scan asks for a look at: %s", sql)
		}
	}
}

func TestNames(t *testing.T) {
	long := strings.Repeat("x", 60) + "\u00e9" // 62 bytes
	cut := strings.Repeat("y", 63)
	names := NewNames(map[string]int{"purge": 0, "Purge All": 0, "a$b": 0, "tidy-up": 0, "gr\u00f6\u00dfe": 0, "1st": 0, "MixedCase": 0, long: 0, cut: 0})
	for _, c := range []struct {
		sql  string
		want string // "" for none
	}{
		{`SELECT purge()`, "purge"},
		{`SELECT PuRgE ( 1 )`, "purge"},
		{`SELECT "purge"()`, "purge"},
		{`SELECT app.purge()`, "purge"},
		{`SELECT ')'||purge()`, "purge"},
		{`SELECT $1,purge()`, "purge"},
		{`SELECT $$x$$,purge()`, "purge"},
		{`SELECT 'purge'`, "purge"},
		{`SELECT purged, unpurge, purge_it`, ""},
		{`SELECT * FROM "Purge All"`, "Purge All,purge"},
		{`SELECT a$b()`, "a$b"},
		{`SELECT "tidy-up"()`, "tidy-up"},
		{`SELECT mixedcase, 1`, "MixedCase"},
		{"SELECT gr\u00f6\u00dfe()", "gr\u00f6\u00dfe"},
		{"SELECT GR\u00d6\u00dfE()", "gr\u00f6\u00dfe"},
		{"SELECT gr\xf6\xdfe()", "gr\u00f6\u00dfe"},
		{`SELECT "1st"`, "1st"},
		{`SELECT ` + cut + `yyyy()`, cut},
		{`SELECT ` + long + `xxx()`, long},
		{`SELECT ` + cut[1:] + `()`, ""},
	} {
		got := names.Mentions([]byte(c.sql))
		slices.Sort(got)
		want := strings.Split(c.want, ",")
		for _, w := range want {
			if w != "" && !slices.Contains(got, w) {
				t.Errorf("%s: Mentions %q lacks %q", c.sql, got, w)
			}
		}
		if c.want == "" && len(got) > 0 {
			t.Errorf("%s: Mentions %q", c.sql, got)
		}
		if names.Scan([]byte(c.sql)) != (c.want != "") {
			t.Errorf("%s: Scan is %v", c.sql, c.want == "")
		}
	}
	if got := names.Mentions([]byte(`SELECT U&"p\0075rge"()`)); len(got) != len(names.all) {
		t.Errorf("an escaped identifier may be any name; Mentions %q", got)
	}
	if !NewNames(map[string]int{"--": 0}).Scan([]byte(`SELECT * FROM "--"`)) {
		t.Error("a name without a word was missed")
	}
}

func TestScan_AllocatesNothing(t *testing.T) {
	names := NewNames(map[string]int{"purge": 0, "gr\u00f6\u00dfe": 0})
	text := []byte(benchSelect)
	if n := testing.AllocsPerRun(100, func() { names.Scan(text) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
