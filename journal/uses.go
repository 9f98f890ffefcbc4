package journal

import (
	"context"
	"database/sql"
	"errors"
	"time"
)

// account is an allowance's, as the writer's transaction sees it.
type account struct {
	no int64
	Account
}

// readAccount returns nil where there is no such allowance.
func (s *store) readAccount(ctx context.Context, id, use string) (*account, error) {
	var a account
	err := s.write.QueryRowContext(ctx, `SELECT a.no, a.expires, a.rows, a.once, a.revoked, a.used, a.uses, coalesce(u.rows, 0), u.id IS NOT NULL
		FROM allowance a LEFT JOIN allowance_use u ON u.allowance = a.no AND u.id = ?2 WHERE a.id = ?1`, id, use).
		Scan(&a.no, &a.Expires, &a.Rows, &a.Once, &a.Revoked, &a.Used, &a.Uses, &a.Mine, &a.MineUses)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return &a, err
}

func (j *embedded) Use(ctx context.Context, id, use string, rows int64, at time.Time) error {
	if err := CheckUse(use, rows, at); err != nil {
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
			refusal = notFound(AnAllowance, id)
			return nil
		}
		if refusal = a.Refuses(id, rows, at); refusal != nil {
			return nil
		}
		_, err = s.write.ExecContext(ctx, `INSERT INTO allowance_use (allowance, id, time, rows) VALUES (?, ?, ?, ?)
			ON CONFLICT (allowance, id) DO UPDATE SET time = excluded.time, rows = excluded.rows`, a.no, use, at.UnixNano(), rows)
		if err != nil {
			return err
		}
		return s.account(ctx, a.no, rows-a.Mine, 1-a.MineUses)
	})
	if err != nil {
		return err
	}
	return refusal
}

func (j *embedded) Unuse(ctx context.Context, id, use string) error {
	return j.submit(ctx, true, func(ctx context.Context, s *store) error {
		a, err := s.readAccount(ctx, id, use)
		if err != nil || a == nil || a.MineUses == 0 {
			return err
		}
		if _, err := s.write.ExecContext(ctx, "DELETE FROM allowance_use WHERE allowance = ? AND id = ?", a.no, use); err != nil {
			return err
		}
		return s.account(ctx, a.no, -a.Mine, -1)
	})
}

// account keeps the sums of an allowance in step with its uses.
func (s *store) account(ctx context.Context, no, rows, uses int64) error {
	_, err := s.write.ExecContext(ctx, "UPDATE allowance SET used = used + ?, uses = uses + ? WHERE no = ?", rows, uses, no)
	return err
}
