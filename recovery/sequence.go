package recovery

import (
	"context"
	"fmt"
)

// SequenceReport is one sequence that feeds a column of restored rows.
type SequenceReport struct {
	Sequence string `json:"sequence"` // quoted schema.name
	Table    string `json:"table"`
	Column   string `json:"column"`
	From     int64  `json:"from"` // its last value before
	To       int64  `json:"to"`   // its last value after; From if nothing was needed
	Moved    bool   `json:"moved"`
	Problem  string `json:"problem,omitempty"` // why it is still behind, and the mend
}

// farthest is how many steps a sequence is moved. Further values were hardly
// made by it, and setval is no way out: it races with other sessions' nextval
// and could move the sequence back.
const farthest = 10_000_000

// resync moves sequences past the restored values, forward in their own
// direction, and by nextval alone: that can neither go back nor hand out a
// value twice, whatever other sessions do. A sequence does not roll back, so
// this comes last before COMMIT. Usually there is nothing to do.
func (r *restore) resync(ctx context.Context) ([]SequenceReport, error) {
	out := []SequenceReport{}
	for _, t := range r.tables {
		if t.count.Restored == 0 {
			continue
		}
		for _, s := range t.detail.sequences {
			if !t.hasAll([]string{s.column}) {
				continue
			}
			report, err := r.resyncOne(ctx, t, s)
			if err != nil {
				return nil, fmt.Errorf("sequence %s: %w", s.name, err)
			}
			out = append(out, report)
		}
	}
	return out, nil
}

func (r *restore) resyncOne(ctx context.Context, t *table, s sequence) (SequenceReport, error) {
	report := SequenceReport{Sequence: s.name, Table: t.name(), Column: s.column}
	furthest, within := "max", fmt.Sprintf("%s <= %d", quote(s.column), s.highest)
	if s.increment < 0 {
		furthest, within = "min", fmt.Sprintf("%s >= %d", quote(s.column), s.lowest)
	}
	// Before the first nextval the position is one step before last_value.
	position := fmt.Sprintf("(SELECT last_value - CASE WHEN is_called THEN 0 ELSE %d END FROM %s)", s.increment, s.name)
	n, err := r.production.numbers(ctx, fmt.Sprintf("SELECT %s, count(*), %s(%s)::int8 FROM %s WHERE %s",
		position, furthest, quote(s.column), t.in, within))
	if err != nil {
		return report, err
	}
	report.From, report.To = n[0], n[0]
	if n[1] == 0 {
		return report, nil
	}
	// Both may lie far apart, so the difference is taken in floating point.
	steps := (float64(n[2]) - float64(n[0])) / float64(s.increment)
	switch {
	case steps <= 0:
		return report, nil
	case steps > farthest:
		report.Problem = fmt.Sprintf("behind the restored value %d by %.0f steps, too far to be its own; if it is, run: SELECT setval(%s, %d)", n[2], steps, literal(s.name), n[2])
		return report, nil
	}
	count := (n[2] - n[0] + s.increment - sign(s.increment)) / s.increment
	if report.To, err = r.production.number(ctx, fmt.Sprintf("SELECT %s(v) FROM (SELECT nextval(%s) AS v FROM generate_series(1, %d) OFFSET 0) x", furthest, literal(s.name), count)); err != nil {
		return report, err
	}
	report.Moved = true
	return report, nil
}

func sign(n int64) int64 {
	if n < 0 {
		return -1
	}
	return 1
}
