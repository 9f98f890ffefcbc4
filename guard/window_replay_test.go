package guard_test

import (
	"context"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// told is a journal that calls do when it has an entry.
type told struct {
	journal.Journal
	do func()
}

func (j *told) Append(ctx context.Context, e *journal.Entry, k *journal.Keys) error {
	err := j.Journal.Append(ctx, e, k)
	j.do()
	return err
}

// A transaction that is committing while windows are begun anew counts once.
func TestWindows_BegunAnewDuringACommit(t *testing.T) {
	p := blockPolicy()
	p.Default.Windows = []policy.Window{{Rows: 10, Per: time.Hour}}
	e := newEnv(t, p, shop)
	e.start(p, &told{e.journal, func() {
		if err := e.judge.SetPolicy(t.Context(), p); err != nil {
			t.Error(err)
		}
	}})
	c := e.connect(pgx.QueryExecModeExec)
	mustExec(t, c, "DELETE FROM plain WHERE id <= 4")
	mustExec(t, c, "DELETE FROM plain WHERE id BETWEEN 11 AND 16")
	_, err := c.Exec(t.Context(), "DELETE FROM plain WHERE id = 21")
	wantCode(t, err, "RB001")
}
