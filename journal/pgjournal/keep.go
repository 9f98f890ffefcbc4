package pgjournal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

var _ journal.Keeper = (*shared)(nil)

func (j *shared) Selected(ctx context.Context, f journal.Filter) (n int64, err error) {
	w := filtered(f)
	err = j.readFor(ctx, pageTimeout, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT count(*) FROM entry WHERE "+w.text(), w.args...).Scan(&n)
	})
	return n, err
}

func (j *shared) Stored(ctx context.Context) iter.Seq2[journal.Stored, error] {
	return func(yield func(journal.Stored, error) bool) {
		var last journal.Stored
		at := int64(-1 << 62)
		for {
			var got []journal.Stored
			err := j.readFor(ctx, pageTimeout, func(ctx context.Context, c *pgx.Conn) error {
				got = nil
				rows, err := c.Query(ctx, "SELECT id, time, outcome, bytes FROM entry WHERE (time, id) > ($1, $2) ORDER BY time, id LIMIT $3", at, last.ID, page)
				if err != nil {
					return err
				}
				defer rows.Close()
				for rows.Next() {
					var r journal.Stored
					var outcome string
					var ns int64
					if err := rows.Scan(&r.ID, &ns, &outcome, &r.Bytes); err != nil {
						return err
					}
					r.Time, r.Outcome = time.Unix(0, ns).UTC(), journal.Outcome(outcome)
					got = append(got, r)
				}
				return rows.Err()
			})
			if err != nil {
				yield(journal.Stored{}, err)
				return
			}
			for _, last = range got {
				if !yield(last, nil) {
					return
				}
			}
			if len(got) < page {
				return
			}
			at = last.Time.UnixNano()
		}
	}
}

func (j *shared) Remove(ctx context.Context, ids []string) error {
	err := j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		return inTransaction(ctx, c, func(tx pgx.Tx) error {
			var doubt *string
			if err := tx.QueryRow(ctx, "SELECT min(id) FROM entry WHERE id = ANY ($1) AND outcome = 'in_doubt'", ids).Scan(&doubt); err != nil {
				return err
			}
			if doubt != nil {
				return fmt.Errorf("%w: %s", journal.ErrInDoubt, *doubt)
			}
			rows, err := tx.Query(ctx, "WITH gone AS (DELETE FROM entry WHERE id = ANY ($1) AND outcome <> 'in_doubt' RETURNING no, bytes) SELECT no FROM gone WHERE bytes > $2", ids, large)
			if err != nil {
				return err
			}
			nos, err := pgx.CollectRows(rows, pgx.RowTo[int64])
			if err != nil {
				return err
			}
			var blocks pgx.Batch // each statement is about one partition
			for _, no := range nos {
				blocks.Queue("DELETE FROM block WHERE entry = $1", no)
				blocks.Queue("DELETE FROM image WHERE entry = $1", no)
			}
			return tx.SendBatch(ctx, &blocks).Close()
		})
	})
	if err != nil {
		return err
	}
	return j.retire(ctx)
}

func (j *shared) RemoveApprovals(ctx context.Context, before time.Time) (n int64, err error) {
	err = j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		return c.QueryRow(ctx, `WITH a AS (DELETE FROM allowance WHERE expires < $1 RETURNING 1),
			h AS (DELETE FROM hold WHERE time < $1 AND (state <> 'waiting' OR (body->>'expires')::timestamptz < $2) RETURNING 1)
			SELECT (SELECT count(*) FROM a) + (SELECT count(*) FROM h)`, before.UnixNano(), before).Scan(&n)
	})
	return n, err
}

func (j *shared) StoredImages(ctx context.Context, id string) (*journal.ImageSet, iter.Seq2[[]byte, error], error) {
	r, err := j.find(ctx, id)
	if err != nil {
		return nil, nil, err
	}
	set, err := j.imageSet(ctx, r)
	if err != nil || set == nil {
		return nil, nil, err
	}
	return set, journal.EachBlock(set.Blocks, func(n int) ([]byte, error) { return j.imageBlock(ctx, r, n) }), nil
}

// Check: an entry of which keys are said to be there has them, and the blocks are whole.
func (j *shared) Check(ctx context.Context) error {
	return j.readFor(ctx, 0, func(ctx context.Context, c *pgx.Conn) error {
		var id string
		err := c.QueryRow(ctx, `SELECT e.id FROM entry e WHERE e.keys <> (SELECT coalesce(sum(b.rows), 0) FROM block b WHERE b.entry = e.no) ORDER BY e.id LIMIT 1`).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err == nil {
			err = fmt.Errorf("%w: entry %s has not as many keys as were stored", journal.ErrDamaged, id)
		}
		return err
	})
}

// Shrink removes what is left of entries that are gone, and is a plain VACUUM: the room
// is for what comes, and at the tables' ends for others.
func (j *shared) Shrink(ctx context.Context) error {
	if err := j.mayWrite(ctx); err != nil {
		return err
	}
	if err := j.retire(ctx); err != nil {
		return err
	}
	return j.readFor(ctx, 0, func(ctx context.Context, c *pgx.Conn) error {
		for _, table := range []string{"block", "image"} {
			if _, err := c.Exec(ctx, "DELETE FROM "+table+" b WHERE NOT EXISTS (SELECT FROM entry WHERE no = b.entry)"); err != nil {
				return err
			}
		}
		_, err := c.Exec(ctx, "VACUUM (ANALYZE) entry, touched, block, image_set, image, allowance, allowance_use, hold, count_pending, count_past")
		return err
	})
}
