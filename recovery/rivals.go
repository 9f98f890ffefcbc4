package recovery

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// rivals takes out what hangs on parents that are gone and then, table by table,
// the rows that another row to be restored keeps out by a unique or exclusion
// constraint, with what hangs on them. Of two the one of the later deletion stays.
func (r *restore) rivals(ctx context.Context) error {
	if err := r.prune(ctx); err != nil {
		return err
	}
	for _, group := range components(r.tables) { // parents first: a row whose parent stays out is nobody's rival
		lost := int64(0)
		for _, t := range group {
			for _, a := range t.arbiters {
				n, err := r.rivalsBy(ctx, t, a)
				if err != nil {
					return err
				}
				lost += n
			}
		}
		if lost == 0 {
			continue
		}
		if err := r.prune(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (r *restore) rivalsBy(ctx context.Context, t *table, a arbiter) (lost int64, err error) {
	rows, reason := t.staged(a, "rowback_feed, rowback_no"), "another row of this restore holds its value in "+a.name
	if !a.overlaps {
		names := positions("rowback_u", len(a.expressions))
		where := ""
		if !a.nullsEqual {
			where = " WHERE " + notNull("x", names)
		}
		return r.keepOut(ctx, t, fmt.Sprintf("SELECT rowback_at FROM (SELECT rowback_at, row_number() OVER (PARTITION BY %s ORDER BY rowback_feed, rowback_no DESC, rowback_at DESC) AS n FROM %s x%s) x WHERE n > 1",
			list("", names), rows, where), reason)
	}
	if err := r.indexRivals(ctx, t, a); err != nil {
		return 0, err
	}
	// A row that only beaten ones beat may stay: the next round looks at it.
	beaten := fmt.Sprintf(`WITH p AS MATERIALIZED (SELECT x.rowback_at AS loser, y.rowback_at AS winner FROM %[1]s x JOIN %[1]s y ON %[2]s
			AND (y.rowback_feed, -y.rowback_no, x.rowback_at) < (x.rowback_feed, -x.rowback_no, y.rowback_at))
		SELECT loser FROM p WHERE NOT EXISTS (SELECT FROM p o WHERE o.loser = p.winner)`, rows, a.exclude("y", "x"))
	for {
		n, err := r.keepOut(ctx, t, beaten, reason)
		lost += n
		if err != nil || n == 0 {
			return lost, err
		}
	}
}

// indexRivals makes an index as the constraint's own on staging, without which
// each row would be compared with every other. If it cannot be made, so be it.
func (r *restore) indexRivals(ctx context.Context, t *table, a arbiter) error {
	return r.asking(ctx, func() error { return r.production.exec(ctx, "CREATE INDEX ON "+t.in+a.using) })
}

// keepOut takes out the rows at the places that the query finds, for they are in
// conflict with other rows.
func (r *restore) keepOut(ctx context.Context, t *table, found, reason string) (int64, error) {
	return r.production.affect(ctx, fmt.Sprintf(`
		WITH d AS (DELETE FROM %[1]s WHERE ctid IN (%[2]s) RETURNING *)
		INSERT INTO %[3]s (%[4]s, rowback_class, rowback_reason) SELECT %[4]s, '%[5]s', %[6]s FROM d`,
		t.in, found, t.left, list("", t.columns), classConflict, literal(reason)))
}

// seen: by the arbiter, rows may be in conflict whose keys are not the same, and
// of some it is known what it compares. What cannot be seen here is seen by ON
// CONFLICT and by the count after it.
func (t *table) seen(a arbiter) bool { return !a.isKey(t.key) && len(t.knowing(a.columns)) > 0 }

// staged is the FROM item, without its alias, of the staged rows that an arbiter
// is about, with their place, rowback_at, and the columns given.
func (t *table) staged(a arbiter, columns ...string) string {
	return a.values(t.in, strings.Join(append(columns, "ctid AS rowback_at"), ", "), t.ofKinds(t.knowing(a.columns)))
}

// arbitrate settles which arbiters staged rows may fall under: the table's, and
// those of partitions that take some of them.
func (r *restore) arbitrate(ctx context.Context, t *table) error {
	t.arbiters = nil
	var taken []string
	for i, a := range t.detail.arbiters {
		switch {
		case !t.seen(a):
		case a.within == "":
			t.arbiters = append(t.arbiters, a)
		default:
			taken = append(taken, fmt.Sprintf("CASE WHEN bool_or(%s) THEN %d END", a.within, i))
		}
	}
	if len(taken) == 0 {
		return nil
	}
	return r.production.each(ctx, fmt.Sprintf("SELECT i FROM (SELECT ARRAY[%s] AS a FROM %s) x, unnest(a) i WHERE i IS NOT NULL", strings.Join(taken, ", "), t.in), func(row []*string) error {
		i, err := strconv.Atoi(*row[0])
		if err == nil {
			t.arbiters = append(t.arbiters, t.detail.arbiters[i])
		}
		return err
	})
}
