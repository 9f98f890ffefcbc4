package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// account is what decides whether an allowance can be used, as the writer's
// transaction sees it.
type account struct {
	no, expires, rows int64
	once, revoked     bool
	used, uses        int64 // by all transactions
	mine, mineUses    int64 // of these, by the one that asks: rows, and 1 or 0
}

// readAccount returns nil where there is no such allowance.
func (s *store) readAccount(ctx context.Context, id, use string) (*account, error) {
	var a account
	err := s.write.QueryRowContext(ctx, `SELECT a.no, a.expires, a.rows, a.once, a.revoked, a.used, a.uses, coalesce(u.rows, 0), u.id IS NOT NULL
		FROM allowance a LEFT JOIN allowance_use u ON u.allowance = a.no AND u.id = ?2 WHERE a.id = ?1`, id, use).
		Scan(&a.no, &a.expires, &a.rows, &a.once, &a.revoked, &a.used, &a.uses, &a.mine, &a.mineUses)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &a, err
}

// refuses says why rows cannot be used at a time; nil: they can.
func (a *account) refuses(id string, rows int64, at time.Time) error {
	left := a.rows - (a.used - a.mine)
	switch {
	case a.revoked:
		return fmt.Errorf("%w: %s was revoked", ErrSpent, id)
	case at.UnixNano() >= a.expires:
		return fmt.Errorf("%w: %s expired at %s", ErrSpent, id, time.Unix(0, a.expires).UTC().Format(time.RFC3339))
	case a.once && a.uses > a.mineUses:
		return fmt.Errorf("%w: %s was for one transaction, and another one has used it", ErrSpent, id)
	case rows > left:
		return fmt.Errorf("%w: %s has %d of %d rows left, and %d are needed", ErrSpent, id, left, a.rows, rows)
	}
	return nil
}

func (j *embedded) Use(ctx context.Context, id, use string, rows int64, at time.Time) error {
	switch err := validTime("a use", at); {
	case use == "" || rows < 0:
		return errors.New("journal: a use needs an ID and a number of rows not below zero")
	case err != nil:
		return err
	}
	// A refusal writes nothing, so it need not fail the transaction that others'
	// writes share.
	var refusal error
	err := j.submit(ctx, false, func(ctx context.Context, s *store) error {
		refusal = nil
		a, err := s.readAccount(ctx, id, use)
		if err != nil {
			return err
		}
		if a == nil {
			refusal = notFound(anAllowance, id)
			return nil
		}
		if refusal = a.refuses(id, rows, at); refusal != nil {
			return nil
		}
		_, err = s.write.ExecContext(ctx, `INSERT INTO allowance_use (allowance, id, time, rows) VALUES (?, ?, ?, ?)
			ON CONFLICT (allowance, id) DO UPDATE SET time = excluded.time, rows = excluded.rows`, a.no, use, at.UnixNano(), rows)
		if err != nil {
			return err
		}
		return s.account(ctx, a.no, rows-a.mine, 1-a.mineUses)
	})
	if err != nil {
		return err
	}
	return refusal
}

func (j *embedded) Unuse(ctx context.Context, id, use string) error {
	return j.submit(ctx, true, func(ctx context.Context, s *store) error {
		a, err := s.readAccount(ctx, id, use)
		if err != nil || a == nil || a.mineUses == 0 {
			return err
		}
		if _, err := s.write.ExecContext(ctx, "DELETE FROM allowance_use WHERE allowance = ? AND id = ?", a.no, use); err != nil {
			return err
		}
		return s.account(ctx, a.no, -a.mine, -1)
	})
}

// account keeps the sums of an allowance in step with its uses.
func (s *store) account(ctx context.Context, no, rows, uses int64) error {
	_, err := s.write.ExecContext(ctx, "UPDATE allowance SET used = used + ?, uses = uses + ? WHERE no = ?", rows, uses, no)
	return err
}
