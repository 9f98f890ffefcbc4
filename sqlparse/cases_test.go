package sqlparse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// JIT compilation of a few rows' worth of statements takes longer than all else here.
func TestMain(m *testing.M) {
	pgtest.Main(m, pgtest.Options{Unsafe: true, Settings: []string{"jit=off"}})
}

// testCase is one line of the table of cases. TestParse holds it against Parse,
// TestCasesOnPostgreSQL against the rows that PostgreSQL really removes,
// TestScan and the fuzz targets start from it.
type testCase struct {
	sql  string
	want string // verdicts, as summary writes them
	rows int    // fixture rows that the text removes when run
	// before is run first (PREPARE, DECLARE, …), apart from the text under test.
	before string
	// reach: it removes rows although it is Plain, because of what it calls or
	// touches, which only the catalog knows: the reason.
	reach string
	// norun: not run on the fixture, and why.
	norun string
	since int // the PostgreSQL that has this syntax, where 13 has not
}

func cases() []testCase {
	var all []testCase
	for _, table := range [][]testCase{deleteCases, whereCases, nestedCases, otherRemovals, updateCases, dropColumnCases, plainCases, ddlCases, sessionCases, unknownCases} {
		all = append(all, table...)
	}
	return all
}

// summary writes a verdict as the table has it: the verb, what it names, then the flags.
func summary(s Statement) string {
	out := s.Verb.String()
	add := func(on bool, text string) {
		if on {
			out += " " + text
		}
	}
	name := func(n Name) string { return strings.TrimPrefix(n.Schema+"."+n.Name, ".") }
	add(s.Target != Name{}, name(s.Target))
	for i, t := range s.Targets {
		add(s.TargetsOnly[i], "only")
		add(true, name(t))
	}
	add(s.Uncountable != "", fmt.Sprintf("{%s}", s.Uncountable))
	add(s.Shapes, "shapes")
	add(s.OutsideTransaction, "outside")
	add(s.Savepoint != "", s.Savepoint)
	add(s.GID != "", "gid="+s.GID)
	if u := s.Update; u != nil {
		add(true, "update "+name(u.Target))
		add(u.Only, "only")
		for _, set := range u.Sets {
			add(set.Clears, "clears")
			add(!set.Clears, "sets")
			add(true, set.Column)
		}
		add(u.Where, "where")
		add(u.Returning, "returning")
		add(u.Others, "others")
	}
	add(s.UpdatesInside && s.Update == nil, "updates")
	add(s.DropsColumn, "dropscolumn")
	add(s.Detach, "detach")
	add(s.Only && !s.DropsColumn, "only")
	add(s.Where, "where")
	add(s.Cascade, "cascade")
	add(s.Returning, "returning")
	add(s.Chain, "chain")
	add(s.CopyIn, "copyin")
	add(s.Block, "block")
	add(s.DDL, "ddl")
	add(s.ChangesNames, "names")
	add(s.CommitsItself, "commits")
	return out
}

func summaries(all []Statement) string {
	out := make([]string, len(all))
	for i, s := range all {
		out[i] = summary(s)
	}
	return strings.Join(out, "; ")
}

func TestParse(t *testing.T) {
	for _, c := range cases() {
		all := Parse(c.sql)
		if got := summaries(all); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
		for _, s := range all {
			if !strings.HasPrefix(c.sql[s.Offset:], s.Text) {
				t.Errorf("%s\nText %q is not at Offset %d", c.sql, s.Text, s.Offset)
			}
		}
	}
}
