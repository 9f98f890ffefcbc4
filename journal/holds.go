package journal

import (
	"context"
	"errors"
	"time"
)

func (j *embedded) Hold(ctx context.Context, h *Hold) error {
	body, err := EncodeHold(h)
	if err != nil {
		return err
	}
	return j.submit(ctx, false, func(ctx context.Context, s *store) error {
		_, err := s.write.ExecContext(ctx, "INSERT INTO hold (id, time, state, body) VALUES (?, ?, ?, ?)",
			h.ID, h.Time.UnixNano(), Waiting, body)
		if isUnique(err) {
			return exists(AHold, h.ID)
		}
		return err
	})
}

func (j *embedded) Holds(ctx context.Context, state HoldState) ([]Hold, error) {
	s := j.store.Load()
	if !s.hasApprovals() {
		return nil, nil
	}
	where, args := "1", []any(nil)
	if state != "" {
		where, args = "state = ?", []any{state}
	}
	found, err := readHolds(ctx, s.read, where+" ORDER BY time DESC, id DESC", args...)
	if err != nil {
		return nil, j.failed(s, err)
	}
	return found, nil
}

func (j *embedded) HoldByID(ctx context.Context, id string) (*Hold, error) {
	s := j.store.Load()
	if !s.hasApprovals() {
		return nil, notFound(AHold, id)
	}
	h, err := findHold(ctx, s.read, id)
	if err != nil {
		return nil, j.failed(s, err)
	}
	return &h, nil
}

func (j *embedded) Decide(ctx context.Context, id string, state HoldState, by, reason string, at time.Time) (*Hold, error) {
	if err := CheckDecision(state, at); err != nil {
		return nil, err
	}
	var h Hold
	var refusal error // writes nothing of its own, so it fails nobody's transaction
	err := j.submit(ctx, false, func(ctx context.Context, s *store) error {
		refusal = nil
		if h, refusal = findHold(ctx, s.write, id); refusal != nil {
			if errors.Is(refusal, ErrNotFound) || errors.Is(refusal, ErrAmbiguous) {
				return nil
			}
			return refusal
		}
		var body []byte
		if h, body, refusal = h.Decide(state, by, reason, at); body == nil {
			if errors.Is(refusal, ErrDecided) {
				return nil
			}
			return refusal
		}
		_, err := s.write.ExecContext(ctx, "UPDATE hold SET state = ?, body = ? WHERE id = ?", h.State, body, h.ID)
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case refusal != nil && !errors.Is(refusal, ErrDecided):
		return nil, refusal
	}
	return &h, refusal
}

func findHold(ctx context.Context, q querier, id string) (Hold, error) {
	return lookup(AHold, id, func(h Hold) string { return h.ID }, func(where string, args ...any) ([]Hold, error) {
		return readHolds(ctx, q, where+" ORDER BY id LIMIT 2", args...)
	})
}

// readHolds returns what the rest of a SELECT, from its condition on, finds.
func readHolds(ctx context.Context, q querier, where string, args ...any) ([]Hold, error) {
	rows, err := q.QueryContext(ctx, "SELECT id, body FROM hold WHERE "+where, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Hold
	for rows.Next() {
		var id string
		var body []byte
		if err := rows.Scan(&id, &body); err != nil {
			return nil, err
		}
		h, err := DecodeHold(id, body)
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, rows.Err()
}
