package guard_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// The machine's clock jumps: evidence is complete, IDs are unique, and a window that
// is full stays so when the clock goes back, also for a proxy that starts then.
func TestClock_Jumps(t *testing.T) {
	r := free("slowly")
	r.Windows = []policy.Window{{Rows: 10, Per: time.Hour, By: []policy.Dimension{policy.ByTable}}}
	e := newEnv(t, ruled(r), shop)
	before := e.keys()
	c := e.connect(pgx.QueryExecModeExec)
	passes(t, c, "DELETE FROM plain WHERE id <= 6")
	e.clock.advance(-3 * time.Hour)
	passes(t, c, "DELETE FROM plain WHERE id <= 10")
	refused(t, c, "DELETE FROM plain WHERE id = 11", "11 within 1h, limit 10")
	e.start(ruled(r), e.journal)
	again := e.connect(pgx.QueryExecModeExec)
	refused(t, again, "DELETE FROM plain WHERE id = 11", "11 within 1h, limit 10")
	e.clock.advance(6 * time.Hour) // three ahead
	for i := range 10 {
		passes(t, again, fmt.Sprintf("DELETE FROM plain WHERE id = %d", 20+i))
		e.clock.advance(time.Duration(i%2*2-1) * time.Minute)
	}
	refused(t, again, "DELETE FROM plain WHERE id = 11", "11 within 1h, limit 10")
	equal(t, "journalled", e.journalled(), minus(before, e.keys()))
	e.clock.advance(-1000 * time.Hour) // and back to where it should be: nobody waits for the time that it showed
	refused(t, again, "DELETE FROM plain WHERE id = 11", "11 within 1h, limit 10")
	e.clock.advance(time.Hour + 2*time.Minute)
	passes(t, again, "DELETE FROM plain WHERE id = 11")
	equal(t, "journalled", e.journalled(), minus(before, e.keys()))
	ids := map[string]bool{}
	for _, x := range e.entries(journal.Filter{}) {
		if ids[x.ID] || x.Outcome == journal.InDoubt {
			t.Errorf("entry %s: %s", x.ID, x.Outcome)
		}
		ids[x.ID] = true
	}
}
