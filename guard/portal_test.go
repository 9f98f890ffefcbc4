package guard_test

import "testing"

// What a failed block refuses to bind leaves the portal that is there, and what that ends.
func TestPortal_KeptByAFailedBlock(t *testing.T) {
	for _, refused := range []string{"BEGIN", "SELECT 1", "DELETE FROM plain WHERE id = 3"} {
		t.Run(refused, func(t *testing.T) {
			e := newEnv(t, blockPolicy(), shop)
			before := e.keys()
			talk(t, e.url, []messages{cat(parse("r", "ROLLBACK"), parse("s", refused), syncMsg), q("BEGIN"), q("DELETE FROM plain WHERE id = 1"), q("SELECT 1/0"),
				cat(bind("", "r"), syncMsg), cat(bind("", "s"), syncMsg), cat(execute("", 0), syncMsg), q("DELETE FROM plain WHERE id = 2")}, e.database)
			gone := minus(before, e.keys())
			equal(t, "gone", gone, []string{"plain 2"})
			equal(t, "journalled", e.journalled(), gone)
		})
	}
}

// What the server discards behind an error closes no portal.
func TestPortal_DescribedBehindADiscardedClose(t *testing.T) {
	e := newEnv(t, blockPolicy(), shop)
	e.compare(t, []messages{q("BEGIN READ ONLY; DELETE FROM plain WHERE id = 6"), cat(parse("", "SELECT 1"), closed('P', ""), syncMsg), cat(described, syncMsg), q("ROLLBACK")})
}
