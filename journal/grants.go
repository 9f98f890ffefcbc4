package journal

import (
	"context"
	"database/sql"
	"time"
)

// querier is a connection, or several.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (j *embedded) Grant(ctx context.Context, a *Allowance) error {
	body, err := EncodeAllowance(a)
	if err != nil {
		return err
	}
	return j.submit(ctx, false, func(ctx context.Context, s *store) error {
		_, err := s.write.ExecContext(ctx, "INSERT INTO allowance (id, time, expires, rows, once, body) VALUES (?, ?, ?, ?, ?, ?)",
			a.ID, a.Time.UnixNano(), a.Expires.UnixNano(), a.Rows, a.Once, body)
		if isUnique(err) {
			return exists(AnAllowance, a.ID)
		}
		return err
	})
}

func (j *embedded) Allowances(ctx context.Context, live time.Time) ([]Allowance, error) {
	where, args := "1", []any(nil)
	if !live.IsZero() {
		where = "expires > ? AND NOT revoked AND used < rows AND NOT (once AND uses > 0)"
		args = []any{live.UnixNano()}
	}
	s := j.store.Load()
	if !s.hasApprovals() {
		return nil, nil
	}
	found, err := readAllowances(ctx, s.read, where+" ORDER BY time DESC, id DESC", args...)
	if err != nil {
		return nil, j.failed(s, err)
	}
	return found, nil
}

func (j *embedded) Revoke(ctx context.Context, id, by string, at time.Time) (*Allowance, error) {
	if err := validTime("a revocation", at); err != nil {
		return nil, err
	}
	var revoked Allowance
	err := j.submit(ctx, false, func(ctx context.Context, s *store) (err error) {
		revoked, err = lookup(AnAllowance, id, func(a Allowance) string { return a.ID }, func(where string, args ...any) ([]Allowance, error) {
			return readAllowances(ctx, s.write, where+" ORDER BY id LIMIT 2", args...)
		})
		if err != nil || !revoked.Revoked.IsZero() {
			return err
		}
		var body []byte
		if body, revoked, err = EncodeRevoked(revoked, by, at); err != nil {
			return err
		}
		_, err = s.write.ExecContext(ctx, "UPDATE allowance SET revoked = 1, body = ? WHERE id = ?", body, revoked.ID)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &revoked, nil
}

// readAllowances returns what the rest of a SELECT, from its condition on, finds.
// Allowances and uses are of one moment: it is one statement.
func readAllowances(ctx context.Context, q querier, where string, args ...any) ([]Allowance, error) {
	rows, err := q.QueryContext(ctx, `SELECT id, body, (
		SELECT json_group_array(json_object('id', u.id, 'time', u.time, 'rows', u.rows) ORDER BY u.time, u.id)
		FROM allowance_use u WHERE u.allowance = allowance.no
	) FROM allowance WHERE `+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Allowance
	for rows.Next() {
		var id string
		var body, uses []byte
		if err := rows.Scan(&id, &body, &uses); err != nil {
			return nil, err
		}
		a, err := DecodeAllowance(id, body, uses)
		if err != nil {
			return nil, err
		}
		out = append(out, a)
	}
	return out, rows.Err()
}
