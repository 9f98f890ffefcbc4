package pgjournal

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

func (j *shared) Grant(ctx context.Context, a *journal.Allowance) error {
	body, err := journal.EncodeAllowance(a)
	if err != nil {
		return err
	}
	return j.write(ctx, int64(len(body)), func(ctx context.Context, c *pgx.Conn, again bool) error {
		_, err := c.Exec(ctx, "INSERT INTO allowance (id, time, expires, rows, once, body) VALUES ($1, $2, $3, $4, $5, $6::text::json)",
			clean(a.ID), a.Time.UnixNano(), a.Expires.UnixNano(), a.Rows, a.Once, string(body))
		switch {
		case !isUnique(err):
			return err
		case !again:
			return journal.Exists(journal.AnAllowance, a.ID)
		}
		return stored(ctx, c, journal.AnAllowance, "allowance", clean(a.ID), body)
	})
}

func (j *shared) Allowances(ctx context.Context, live time.Time) ([]journal.Allowance, error) {
	var w condition
	if !live.IsZero() {
		w.add("expires > ? AND NOT revoked AND used < rows AND NOT (once AND uses > 0)", live.UnixNano())
	}
	var out []journal.Allowance
	err := j.read(ctx, func(ctx context.Context, c *pgx.Conn) (err error) {
		out, err = readAllowances(ctx, c, w.text()+" ORDER BY time DESC, id DESC", w.args...)
		return err
	})
	return out, err
}

func (j *shared) Revoke(ctx context.Context, id, by string, at time.Time) (*journal.Allowance, error) {
	if _, _, err := journal.EncodeRevoked(journal.Allowance{}, by, at); err != nil {
		return nil, err
	}
	var revoked journal.Allowance
	err := j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		return inTransaction(ctx, c, func(tx pgx.Tx) (err error) {
			read := func(w *condition) ([]journal.Allowance, error) {
				return readAllowances(ctx, c, w.text()+" ORDER BY id LIMIT 2 FOR UPDATE", w.args...)
			}
			revoked, err = journal.Lookup(journal.AnAllowance, id, func(a journal.Allowance) string { return a.ID },
				func(prefix bool) ([]journal.Allowance, error) { return read(byID(id, prefix)) })
			if err != nil || !revoked.Revoked.IsZero() {
				return err
			}
			var body []byte
			if body, revoked, err = journal.EncodeRevoked(revoked, by, at); err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "UPDATE allowance SET revoked = true, body = $1::text::json WHERE id = $2", string(body), revoked.ID)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	return &revoked, nil
}

// readAllowances returns what the rest of a SELECT, from its condition on, finds.
// Allowances and uses are of one moment: it is one statement.
func readAllowances(ctx context.Context, c *pgx.Conn, where string, args ...any) ([]journal.Allowance, error) {
	rows, err := c.Query(ctx, `SELECT id, body::text, coalesce((
		SELECT json_agg(json_build_object('id', u.id, 'time', u.time, 'rows', u.rows) ORDER BY u.time, u.id)
		FROM allowance_use u WHERE u.allowance = allowance.no
	), '[]')::text FROM allowance WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []journal.Allowance
	for rows.Next() {
		var id string
		var body, uses []byte
		if err := rows.Scan(&id, &body, &uses); err != nil {
			return nil, err
		}
		a, err := journal.DecodeAllowance(id, body, uses)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}

// lockAllowance is a statement of its own, before the one that reckons: that one
// then sees what the holder of the lock before it has left.
const lockAllowance = "SELECT no FROM allowance WHERE id = $1 FOR UPDATE"

// useAllowance is Account.Refuses in SQL, with the writing where it does not
// refuse. It returns the account as it was.
const useAllowance = `WITH a AS (
	SELECT a.no, a.expires, a.rows, a.once, a.revoked, a.used, a.uses, coalesce(u.rows, 0) AS mine, (u.id IS NOT NULL)::int AS mine_uses
	FROM allowance a LEFT JOIN allowance_use u ON u.allowance = a.no AND u.id = $2 WHERE a.id = $1
), ok AS (
	SELECT * FROM a WHERE NOT revoked AND $4::bigint < expires AND NOT (once AND uses > mine_uses) AND $3::bigint <= rows - (used - mine)
), w AS (
	INSERT INTO allowance_use (allowance, id, time, rows) SELECT no, $2, $4, $3 FROM ok
	ON CONFLICT (allowance, id) DO UPDATE SET time = excluded.time, rows = excluded.rows
), s AS (
	UPDATE allowance x SET used = x.used + $3 - ok.mine, uses = x.uses + 1 - ok.mine_uses FROM ok WHERE x.no = ok.no
)
SELECT expires, rows, once, revoked, used, uses, mine, mine_uses FROM a`

func (j *shared) Use(ctx context.Context, id, use string, rows int64, at time.Time) error {
	if err := journal.CheckUse(use, rows, at); err != nil {
		return err
	}
	return j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		var a journal.Account
		var b pgx.Batch // one transaction, one exchange
		b.Queue(lockAllowance, clean(id))
		b.Queue(useAllowance, clean(id), clean(use), rows, at.UnixNano()).QueryRow(func(row pgx.Row) error {
			return row.Scan(&a.Expires, &a.Rows, &a.Once, &a.Revoked, &a.Used, &a.Uses, &a.Mine, &a.MineUses)
		})
		err := c.SendBatch(ctx, &b).Close()
		if errors.Is(err, pgx.ErrNoRows) {
			return journal.NotFound(journal.AnAllowance, id)
		}
		if err != nil {
			return err
		}
		return a.Refuses(id, rows, at)
	})
}

const unuseAllowance = `WITH gone AS (
	DELETE FROM allowance_use u USING allowance a, ` + relaxed + ` WHERE a.id = $1 AND u.allowance = a.no AND u.id = $2 RETURNING u.allowance, u.rows
) UPDATE allowance x SET used = x.used - gone.rows, uses = x.uses - 1 FROM gone WHERE x.no = gone.allowance`

func (j *shared) Unuse(ctx context.Context, id, use string) error {
	return j.writeBriefly(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		b.Queue(lockAllowance, clean(id))
		b.Queue(unuseAllowance, clean(id), clean(use))
		return c.SendBatch(ctx, &b).Close()
	})
}
