package recovery

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rowback/rowback/journal"
)

// An undo and what it took back of restores cancel each other, row by row: such a row is
// as if neither had been. What the undo kept stays the restore's.

// tookBack: e is an undo, and the journal has all of its restores, from no earlier than since.
func (r *restore) tookBack(ctx context.Context, e *journal.Entry, since time.Time) (bool, error) {
	if e.Kind != journal.Deletion || len(e.Restores) == 0 {
		return false, nil
	}
	for _, id := range e.Restores {
		of, err := r.o.Journal.Entry(ctx, id)
		switch {
		case errors.Is(err, journal.ErrNotFound), journal.IsDamage(err):
			return false, nil
		case err != nil:
			return false, err
		case of.Time.Before(since):
			return false, nil
		}
	}
	return true, nil
}

// pairUndos makes a temporary table of which entry took back which.
func (r *restore) pairUndos(ctx context.Context, name string, undos []*journal.Entry) error {
	var b batch
	for _, u := range undos {
		xmin := xminOf(u.XID)
		for _, id := range u.Restores {
			b.add([]*string{&u.ID, &id, &xmin})
		}
	}
	return r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT k01 AS undo, k02 AS restore, k03 AS rowback_xmin FROM %s; ANALYZE %[1]s", local(name), b.sql("k")))
}

// cancel removes from a temporary table of t's keys and rowback_id what pairs have undone.
func (r *restore) cancel(ctx context.Context, t *table, noted, pairs string) error {
	return r.production.exec(ctx, fmt.Sprintf(`
		ANALYZE %[1]s; DELETE FROM %[1]s x USING %[1]s u, %[2]s n WHERE u.rowback_id = n.undo AND x.rowback_id = n.restore AND %[3]s;
		DELETE FROM %[1]s u USING %[2]s n WHERE u.rowback_id = n.undo`, noted, pairs, t.equal("x", "u")))
}

// cancelMarks does so of t's other marks, and notes which rows the undos marked: they had
// left them as they had been.
func (r *restore) cancelMarks(ctx context.Context, t *table, pairs string) error {
	if t.mark != nil {
		t.mark.again = t.mark.staged + "_again"
		err := r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s AS SELECT DISTINCT %s, n.rowback_xmin FROM %s u JOIN %s n ON u.rowback_id = n.undo WHERE u.rowback_set AND n.rowback_xmin <> ''",
			local(t.mark.again), list("u.", t.key), t.others.staged, pairs))
		if err != nil {
			return err
		}
		if err := r.indexOne(ctx, t.mark.again, t.key); err != nil {
			return err
		}
	}
	return r.cancel(ctx, t, t.others.staged, pairs)
}
