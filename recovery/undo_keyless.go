package recovery

import (
	"context"
	"fmt"
	"strings"
)

// undone is the condition that the row of alias live is the staged one: by its
// key, or, in a table without one, by its place, which is that of the row as the
// restore's transaction wrote it.
func (t *table) undone(live, staged string) string {
	if len(t.key) == 0 {
		return fmt.Sprintf("%[1]s.tableoid = %[2]s.rowback_table AND %[1]s.ctid = %[2]s.rowback_at", live, staged)
	}
	return t.equal(live, staged)
}

// wroteOnly, in a restore's evidence: the rows of the table that bear its
// transaction's id are those that it brought back, and no others.
const wroteOnly = noKey + "; the restore's transaction wrote no other rows of it"

// wroteAlone is wroteOnly if that is so: triggers and hooks may have written, too.
func (r *restore) wroteAlone(ctx context.Context, t *table) (why string, err error) {
	n, err := r.production.number(ctx, "SELECT count(*) FROM "+only(t.live)+" WHERE xmin::text = (pg_current_xact_id()::text::numeric % 4294967296)::text")
	if err != nil || n != t.count.Restored {
		return noKey, err
	}
	return wroteOnly, nil
}

// stageKeyless stages the rows of tables without a key: those that the restores'
// transactions wrote and nobody has changed since. What is missing of them is gone, or changed.
func (u *undo) stageKeyless(ctx context.Context) error {
	var problems []string
	for i, st := range u.source {
		t := u.feeds[i]
		if t == nil || len(t.key) > 0 {
			continue
		}
		if st.Why != wroteOnly {
			problems = append(problems, fmt.Sprintf("%s has no key, and the restore's transaction wrote other rows of it, too, by triggers or hooks: which are its %d cannot be told; delete them by hand", t.name(), st.Rows))
			continue
		}
		xmin := fmt.Sprint(uint32(u.xids[i])) // without its epoch
		n, err := u.production.affect(ctx, fmt.Sprintf("INSERT INTO %s (rowback_table, rowback_at, rowback_xmin) SELECT tableoid, ctid, '%s' FROM %s WHERE xmin::text = '%[2]s'", t.in, xmin, only(t.live)))
		if err != nil {
			return err
		}
		if n > st.Rows { // the id has been used twice
			problems = append(problems, fmt.Sprintf("%s has no key, and %d rows of the restore's transaction id, which brought back %d: which these are cannot be told; delete them by hand", t.name(), n, st.Rows))
			continue
		}
		if err := u.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (rowback_xmin) SELECT '%s' FROM generate_series(1, %d)", t.in, xmin, st.Rows-n)); err != nil {
			return err
		}
	}
	return refuse(Unfit, problems...)
}

// listKeyless says how many rows of a table without a key stay: nothing names them.
func (u *undo) listKeyless(t *table, c *UndoCount) {
	if c.Kept > 0 {
		u.report.Kept = append(u.report.Kept, Unrestored{Schema: t.live.Schema, Table: t.live.Name, Reason: strings.TrimSpace(plural(c.Kept, "row") + ": " + undoReasons[undoKept])})
	}
	if c.Gone += c.Changed; c.Gone > 0 {
		c.Changed = 0
		u.report.Kept = append(u.report.Kept, Unrestored{Schema: t.live.Schema, Table: t.live.Name, Reason: plural(c.Gone, "row") + ": gone, or changed since; the table has no key to tell"})
	}
}
