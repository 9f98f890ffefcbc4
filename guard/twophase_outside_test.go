package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// PREPARE TRANSACTION outside a transaction block prepares nothing: the server says
// ROLLBACK, with a warning, and commits.
func TestTwoPhase_PrepareOutsideABlock(t *testing.T) {
	pgtest.Before(t, 18, "several statements up to a Sync are a block, and are prepared")
	prepare := pbe("PREPARE TRANSACTION 'x'")
	for name, run := range map[string][]messages{
		"a pipeline": {cat(pbe("DELETE FROM victim WHERE id <= 8"), prepare, syncMsg)},
		"twice":      {cat(pbe("DELETE FROM victim WHERE id <= 4"), prepare, pbe("DELETE FROM victim WHERE id <= 8"), prepare, syncMsg)},
		"a Query":    {q("DELETE FROM victim WHERE id <= 8; PREPARE TRANSACTION 'x'")},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
			talkAll(t, e.url, run)
			e.settle()
			left, gone := len(e.victims()), int64(0)
			for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
				gone += x.Rows
			}
			if left != 12 || gone != 8 {
				t.Errorf("%d rows are left of 20, the journal says that %d went", left, gone)
			}
		})
	}
	t.Run("a window", func(t *testing.T) {
		r := free("slowly")
		r.Windows = []policy.Window{{Rows: 10, Per: time.Hour}}
		e := newEnv(t, ruled(r), purges)
		var run []messages
		for i := range 4 {
			run = append(run, cat(pbe(fmt.Sprintf("DELETE FROM victim WHERE id > %d AND id <= %d", 5*i, 5*i+5)), prepare, syncMsg))
		}
		answers := strings.Join(talkAll(t, e.url, run), "\n")
		if left := len(e.victims()); left != 10 || !strings.Contains(answers, `"RB001"`) {
			t.Errorf("%d rows are left of 20: %s", left, answers)
		}
	})
}
