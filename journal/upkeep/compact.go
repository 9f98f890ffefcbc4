package upkeep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rowback/rowback/journal"
)

var zero time.Time

// Limits are how much a journal keeps. Zero fields limit nothing.
type Limits struct {
	Keep time.Duration // how old what it holds may become
	Size int64         // bytes of all entries together, as stored
}

// youngest is the age below which size alone removes nothing.
const youngest = 24 * time.Hour

// atOnce is how many entries go in one transaction: others write meanwhile.
const atOnce = 50

// Compacted is what Compact has removed, or would.
type Compacted struct {
	Entries   int64 `json:"entries"`
	Bytes     int64 `json:"bytes"`
	Approvals int64 `json:"approvals"` // allowances and holds
	Left      int64 `json:"left"`      // entries
	LeftBytes int64 `json:"left_bytes"`
	InDoubt   int64 `json:"in_doubt"` // entries that stay for that alone
	Over      int64 `json:"over"`     // bytes over the limit that stay, because they are in doubt or too young
}

// Compact removes what is over the limits; dry: says only what it would remove.
func Compact(ctx context.Context, j journal.Journal, l Limits, now time.Time, dry bool) (*Compacted, error) {
	k, ok := j.(journal.Keeper)
	if !ok {
		return nil, errors.New("this journal cannot be compacted")
	}
	var out Compacted
	total := int64(0)
	if l.Size > 0 { // how much has to go
		for s, err := range k.Stored(ctx) {
			if err != nil {
				return nil, err
			}
			total += s.Bytes
		}
	}
	var ids []string
	remove := func() error {
		if len(ids) == 0 || dry {
			ids = ids[:0]
			return nil
		}
		err := k.Remove(ctx, ids)
		ids = ids[:0]
		return err
	}
	for s, err := range k.Stored(ctx) {
		if err != nil {
			return nil, err
		}
		age := now.Sub(s.Time)
		old, much := l.Keep > 0 && age > l.Keep, l.Size > 0 && total > l.Size && age > youngest
		if !old && !much || s.Outcome == journal.InDoubt {
			if old || much {
				out.InDoubt++
			}
			out.Left++
			out.LeftBytes += s.Bytes
			continue
		}
		out.Entries++
		out.Bytes += s.Bytes
		total -= s.Bytes
		if ids = append(ids, s.ID); len(ids) == atOnce {
			if err := remove(); err != nil {
				return nil, fmt.Errorf("after %d entries: %w", out.Entries-int64(len(ids)), err)
			}
		}
	}
	if err := remove(); err != nil {
		return nil, err
	}
	if l.Size > 0 {
		out.Over = max(0, out.LeftBytes-l.Size)
	}
	if l.Keep <= 0 {
		return &out, nil
	}
	var err error
	if before := now.Add(-l.Keep); dry {
		out.Approvals, err = endedApprovals(ctx, j, before)
	} else {
		out.Approvals, err = k.RemoveApprovals(ctx, before)
	}
	if err != nil {
		return nil, err
	}
	return &out, nil
}

// endedApprovals is how many there are of what Keeper.RemoveApprovals removes.
func endedApprovals(ctx context.Context, j journal.Journal, before time.Time) (n int64, err error) {
	allowances, err := j.Allowances(ctx, zero)
	if err != nil {
		return 0, err
	}
	holds, err := j.Holds(ctx, "")
	for _, a := range allowances {
		if a.Expires.Before(before) {
			n++
		}
	}
	for _, h := range holds {
		if h.Time.Before(before) && (h.State != journal.Waiting || h.Expires.Before(before)) {
			n++
		}
	}
	return n, err
}
