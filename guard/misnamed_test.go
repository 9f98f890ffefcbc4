package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// A rule that names a partition, or a table in the wrong case, is not in force for it: that is said once.
func TestRules_NamesThatAreForNoRows(t *testing.T) {
	part, whole, cased, absent := free("part"), free("whole"), free("cased"), free("absent")
	part.Match.Tables, part.Statement = []string{"ev_2"}, 1
	whole.Match.Tables = []string{"ev*"}
	cased.Match.Tables = []string{"Orders"}
	absent.Match.Tables = []string{"elsewhere"}
	e := newEnv(t, ruled(part, whole, cased, absent), `CREATE TABLE ev (id int) PARTITION BY LIST (id); CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1);
		CREATE TABLE ev_2 PARTITION OF ev FOR VALUES IN (2); CREATE TABLE orders (id int PRIMARY KEY)`)
	c := e.connect(pgx.QueryExecModeExec)
	for _, sql := range []string{"DELETE FROM ev_2", "CREATE TABLE more (id int)", "DELETE FROM orders"} {
		if err := run(t, c, sql); err != nil {
			t.Fatal(err)
		}
	}
	for what, want := range map[string]int{"is not in force for a table that it names": 2, "fall under the rules for public.ev\"": 1, "is called public.orders": 1} {
		if n := e.logs.count(what); n != want {
			t.Errorf("%q was said %d times, want %d", what, n, want)
		}
	}
	if err := e.judge.SetPolicy(t.Context(), ruled(part)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{"DROP TABLE more", "DELETE FROM orders"} {
		if err := run(t, c, sql); err != nil {
			t.Fatal(err)
		}
	}
	if n := e.logs.count("is not in force"); n != 3 {
		t.Errorf("said %d times with the next policy", n)
	}
}
