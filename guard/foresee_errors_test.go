package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
)

// Where a statement is looked into before it runs, what is wrong with it is said as of itself.
func TestForesee_ErrorsAreTheStatements(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Hold, 1000), shop, wireExtra, `CREATE FUNCTION fails(i int) RETURNS bool STABLE LANGUAGE plpgsql AS $$ BEGIN RETURN i / (i - i) = 1; END $$`)
	named := func(sql string, values ...string) []messages {
		return []messages{cat(parse("s", sql), syncMsg), cat(bindTo("", "s", values...), messages{&pgproto3.Describe{ObjectType: 'P'}}, execute("", 0), syncMsg), q("SELECT count(*) FROM plain")}
	}
	for name, x := range map[string][]messages{
		"too few values":      named("DELETE FROM plain WHERE id = $1"),
		"too many values":     named("DELETE FROM orders WHERE id = $1 RETURNING id", "1", "2"),
		"a value of no type":  named("DELETE FROM plain WHERE id = $1::int", "x"),
		"while it runs":       named("DELETE FROM plain WHERE id / ($1::int - 1) = 1", "1"),
		"inside a function":   {q("DELETE FROM plain WHERE fails(id)"), cat(pbe("DELETE FROM orders WHERE fails(id)"), syncMsg)},
		"a column of no name": {q("DELETE FROM plain WHERE nope = 1"), q("SELECT 1; DELETE FROM orders WHERE nope = 1"), q("BEGIN"), q("DELETE FROM plain WHERE id = 'x'"), q("ROLLBACK")},
		"none":                {q("DELETE FROM plain WHERE id = 1"), cat(pbe("DELETE FROM orders WHERE id = $1 RETURNING id", "2"), syncMsg)},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
}
