package guard_test

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/guard/policy"
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
