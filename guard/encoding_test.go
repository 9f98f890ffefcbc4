package guard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// Keys are what they are, whatever client_encoding was set to just before, in the same
// Query or pipeline, where the server has not said so yet.
func TestEncoding_SetInTheSameExchange(t *testing.T) {
	const set, deletes = "SET client_encoding = 'LATIN1'", "DELETE FROM k WHERE n < 3"
	exchanges := map[string]messages{
		"one Query":         q(set + "; " + deletes),
		"a function":        q("SELECT set_config('client_encoding', 'LATIN1', false); " + deletes),
		"in a block":        q("BEGIN; " + set + "; " + deletes + "; COMMIT"),
		"a pipeline":        cat(pbe(set), pbe(deletes), syncMsg),
		"after the Bind":    cat(parse("d", deletes), bind("d", "d"), pbe(set), execute("d", 0), syncMsg),
		"after another one": cat(pbe("DELETE FROM k WHERE n = 1"), pbe(set), pbe(deletes), syncMsg),
		"and back":          cat(pbe(set), pbe("RESET client_encoding"), pbe(deletes), syncMsg),
	}
	for name, x := range exchanges {
		for capture, p := range map[string]policy.Policy{"keys": blockPolicy(), "rows": wholeRows(blockPolicy())} {
			t.Run(name+"/"+capture, func(t *testing.T) {
				e := newEnv(t, p, "CREATE TABLE k (id text PRIMARY KEY, n int); INSERT INTO k VALUES ('é', 1), ('Ã©', 2), ('日', 5)")
				r := dialRaw(t, e.url)
				for _, m := range x {
					r.Send(m)
				}
				got := strings.Join(r.answers(1), "\n")
				if name == "after the Bind" { // it is to be bound anew
					if !strings.Contains(got, `"40001"`) {
						t.Errorf("%s", got)
					}
					return
				}
				equal(t, "journalled", e.journalled(), []string{"k Ã©", "k é"})
			})
		}
	}
}

// What a DELETE calls may set it for what is read of another table in the same exchange.
func TestEncoding_SetByAnotherStatement(t *testing.T) {
	e := newEnv(t, blockPolicy(), "CREATE TABLE n (id int PRIMARY KEY); CREATE TABLE k (id text PRIMARY KEY); INSERT INTO n VALUES (1); INSERT INTO k VALUES ('é')")
	r := dialRaw(t, e.url)
	for _, m := range cat(pbe("DELETE FROM n WHERE set_config('client_encoding', 'LATIN1', false) IS NOT NULL"), pbe("TRUNCATE k"), syncMsg) {
		r.Send(m)
	}
	r.answers(1)
	equal(t, "journalled", e.journalled(), []string{"k é", "n 1"})
}

// In a batch the last run may find no row, and tells all the same.
func TestEncoding_SetInABatch(t *testing.T) {
	const sets = "DELETE FROM k WHERE n = $1 AND set_config('client_encoding', 'LATIN1', false) IS NOT NULL"
	for _, last := range []string{"2", "-1"} {
		e := newEnv(t, blockPolicy(), "CREATE TABLE k (id text PRIMARY KEY, n int); INSERT INTO k VALUES ('é', 1), ('è', 2)")
		r := dialRaw(t, e.url)
		for _, m := range cat(batch("s", sets, false, "1", last), syncMsg) {
			r.Send(m)
		}
		r.answers(1)
		x := e.entries(journal.Filter{})[0]
		if len(x.Tables) != 1 || x.Tables[0].KeysCaptured || !strings.Contains(x.Tables[0].Why, "client_encoding") {
			t.Errorf("last %s: %+v", last, x.Tables)
		}
	}
}

// A DELETE that sets it itself has keys that nobody can be sure of. What comes after it knows.
func TestEncoding_SetByTheStatement(t *testing.T) {
	const sets = "DELETE FROM k WHERE n = 1 AND set_config('client_encoding', 'LATIN1', false) IS NOT NULL"
	e := newEnv(t, blockPolicy(), "CREATE TABLE k (id text PRIMARY KEY, n int); INSERT INTO k VALUES ('é', 1), ('Ã©', 2)")
	r := dialRaw(t, e.url)
	for _, m := range cat(pbe(sets), pbe("DELETE FROM k WHERE n = 2"), syncMsg) {
		r.Send(m)
	}
	r.answers(1)
	x := e.entries(journal.Filter{})[0]
	if len(x.Tables) != 1 || x.Tables[0].KeysCaptured || !strings.Contains(x.Tables[0].Why, "client_encoding") {
		t.Errorf("%+v", x.Tables)
	}
	if got := e.journalled(); !slices.Contains(got, "k Ã©") {
		t.Errorf("journalled %q", got)
	}
}
