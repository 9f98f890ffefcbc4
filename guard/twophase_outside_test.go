package guard_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

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

// A Query of several statements is a block, whose transaction can be prepared.
func TestTwoPhase_PrepareAtTheEndOfAQuery(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	run := func(sql string) string {
		_, err := c.PgConn().Exec(t.Context(), fmt.Sprintf(sql, e.database)).ReadAll()
		return sqlstate(err)
	}
	for _, sql := range []string{
		"UPDATE victim SET id = id + 100; PREPARE TRANSACTION '%[1]s'",
		"CREATE TABLE made (id int); INSERT INTO made VALUES (1); PREPARE TRANSACTION '%[1]s'",
		"BEGIN; DELETE FROM victim WHERE id <= 8; PREPARE TRANSACTION '%[1]s'",
		"DELETE FROM victim WHERE id <= 8; PREPARE TRANSACTION '%[1]s'",
	} {
		before := e.victims()
		want := ""
		if strings.HasPrefix(sql, "DELETE") && pgtest.Shared(t).Version() < 18 { // there are no pipelines that are blocks
			want = "0A000"
		}
		if code := run(sql); code != want {
			t.Errorf("%s: SQLSTATE %q, want %q", sql, code, want)
		}
		equal(t, sql+": rows while it is prepared", e.victims(), before)
		if want == "" {
			if code := run("ROLLBACK PREPARED '%[1]s'"); code != "" {
				t.Errorf("%s: it cannot be taken back: %s", sql, code)
			}
		}
		equal(t, sql+": rows", e.victims(), before)
	}
}
