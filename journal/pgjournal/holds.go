package pgjournal

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

func (j *shared) Hold(ctx context.Context, h *journal.Hold) error {
	body, err := journal.EncodeHold(h)
	if err != nil {
		return err
	}
	return j.write(ctx, int64(len(body)), func(ctx context.Context, c *pgx.Conn, again bool) error {
		_, err := c.Exec(ctx, "INSERT INTO hold (id, time, state, body) VALUES ($1, $2, $3, $4::text::json)",
			clean(h.ID), h.Time.UnixNano(), string(journal.Waiting), string(body))
		switch {
		case !isUnique(err):
			return err
		case !again:
			return journal.Exists(journal.AHold, h.ID)
		}
		return stored(ctx, c, journal.AHold, "hold", clean(h.ID), body)
	})
}

func (j *shared) Holds(ctx context.Context, state journal.HoldState) (out []journal.Hold, err error) {
	var w condition
	if state != "" {
		w.add("state = ?", string(state))
	}
	err = j.read(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		out, err = readHolds(ctx, c, w.text()+" ORDER BY time DESC, id DESC", w.args...)
		return err
	})
	return out, err
}

func (j *shared) HoldByID(ctx context.Context, id string) (*journal.Hold, error) {
	var h journal.Hold
	err := j.read(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		h, err = findHold(ctx, c, id, "")
		return err
	})
	if err != nil {
		return nil, err
	}
	return &h, nil
}

func (j *shared) Decide(ctx context.Context, id string, state journal.HoldState, by, reason string, at time.Time) (*journal.Hold, error) {
	if err := journal.CheckDecision(state, at); err != nil {
		return nil, err
	}
	var h journal.Hold
	err := j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, again bool) (err error) {
		var refusal error
		err = inTransaction(ctx, c, func(tx pgx.Tx) error {
			if h, err = findHold(ctx, c, id, " FOR UPDATE"); err != nil {
				return err
			}
			mine := again && h.State == state && h.By == by && h.Reason == reason && h.Decided.Equal(at)
			var body []byte
			switch h, body, refusal = h.Decide(state, by, reason, at); {
			case mine:
				refusal = nil
				return touch(ctx, c, "") // see stored
			case body == nil:
				return refusal
			}
			_, err = tx.Exec(ctx, "UPDATE hold SET state = $1, body = $2::text::json WHERE id = $3", string(h.State), string(body), h.ID)
			return err
		})
		if err != nil {
			return err
		}
		return refusal
	})
	if err != nil && !errors.Is(err, journal.ErrDecided) {
		return nil, err
	}
	return &h, err
}

func findHold(ctx context.Context, c *pgx.Conn, id, lock string) (journal.Hold, error) {
	return journal.Lookup(journal.AHold, id, func(h journal.Hold) string { return h.ID }, func(prefix bool) ([]journal.Hold, error) {
		w := byID(id, prefix)
		return readHolds(ctx, c, w.text()+" ORDER BY id LIMIT 2"+lock, w.args...)
	})
}

// readHolds returns what the rest of a SELECT, from its condition on, finds.
func readHolds(ctx context.Context, c *pgx.Conn, where string, args ...any) ([]journal.Hold, error) {
	rows, err := c.Query(ctx, "SELECT id, body::text FROM hold WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []journal.Hold
	for rows.Next() {
		var id string
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		h, err := journal.DecodeHold(id, body)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, rows.Err()
}
