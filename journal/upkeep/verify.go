package upkeep

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/rowback/rowback/journal"
)

// Verified is what Verify has found.
type Verified struct {
	Entries int64     `json:"entries"`
	Keys    int64     `json:"keys"`
	Images  int64     `json:"images"`
	Sealed  int64     `json:"sealed"` // entries whose images need another key, or one: they were not read
	InDoubt int64     `json:"in_doubt"`
	Damaged []Damaged `json:"damaged"`
}

// Damaged is something that is not what was stored.
type Damaged struct {
	ID    string `json:"id,omitempty"` // of the entry; "" for the journal as a whole
	Error string `json:"error"`
}

// OK reports whether nothing is damaged.
func (v *Verified) OK() bool { return len(v.Damaged) == 0 }

// Verify reads every entry, and every block of keys and images. Its error is that
// it could not; damage is in what it returns. Entries that are removed meanwhile do not
// count, unless all of them was read before.
func Verify(ctx context.Context, j journal.Journal) (*Verified, error) {
	v := &Verified{Damaged: []Damaged{}}
	if k, ok := j.(journal.Keeper); ok {
		if err := v.note("", k.Check(ctx)); err != nil {
			return nil, err
		}
		for some, err := range batches(k.Stored(ctx), verifiedAtOnce) {
			if err == nil {
				err = v.entries(ctx, j, k, some)
			}
			if err != nil {
				return nil, err
			}
		}
	}
	_, err := j.Allowances(ctx, zero)
	if err := v.note("", err); err != nil {
		return nil, err
	}
	_, err = j.Holds(ctx, "")
	return v, v.note("", err)
}

// note notes damage; other errors it returns.
func (v *Verified) note(id string, err error) error {
	if err == nil || !damage(err) {
		return err
	}
	v.Damaged = append(v.Damaged, Damaged{id, err.Error()})
	return nil
}

var (
	errCount  = errors.New("not as many keys as there should be")
	errValues = errors.New("a key has not as many values as it should have")
)

func damage(err error) bool {
	return errors.Is(err, errCount) || errors.Is(err, errValues) || errors.Is(err, journal.ErrNotFound) || journal.IsDamage(err)
}

// removed: what could not be read of an entry is lacking because running proxies, which
// remove what is old, have removed it. It is listed no more then: what is listed and
// cannot be found is damage.
func removed(ctx context.Context, j journal.Journal, id string, at time.Time, err error) bool {
	if !damage(err) {
		return false
	}
	if _, err := j.Entry(ctx, id); !errors.Is(err, journal.ErrNotFound) {
		return false
	}
	for e, err := range j.Entries(ctx, journal.Filter{Since: at, Until: at}) {
		if err != nil || e.ID == id {
			return false
		}
	}
	return true
}

// checkRow refuses a row that is none of its entry's.
func checkRow(e *journal.Entry, r journal.Row) error {
	if r.Table < 0 || r.Table >= len(e.Tables) {
		return fmt.Errorf("a key of table %d, and entry %s has %d", r.Table, e.ID, len(e.Tables))
	}
	if t := e.Tables[r.Table]; len(r.Values) != len(t.Key)+len(t.Old) {
		return fmt.Errorf("%w: %d of %s, whose has %d", errValues, len(r.Values), journal.QuoteName(t.Schema, t.Name), len(t.Key)+len(t.Old))
	}
	return nil
}

// verifiedAtOnce is how many entries are read at a time, with a block of keys each.
const verifiedAtOnce = 64

// batches gathers up to n of what all yields.
func batches[T any](all iter.Seq2[T, error], n int) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		var some []T
		for x, err := range all {
			if err != nil {
				yield(nil, err)
				return
			}
			if some = append(some, x); len(some) == n {
				if !yield(some, nil) {
					return
				}
				some = nil
			}
		}
		if len(some) > 0 {
			yield(some, nil)
		}
	}
}

// entries verifies some together; one by one where they cannot be read so, to say whose
// damage it is.
func (v *Verified) entries(ctx context.Context, j journal.Journal, k journal.Keeper, some []journal.Stored) error {
	ids := make([]string, len(some))
	for i, s := range some {
		ids[i] = s.ID
	}
	read, err := k.Contents(ctx, ids)
	if err != nil && !damage(err) {
		return err
	}
	for _, s := range some {
		before := *v
		v.Entries++
		c, ok := read[s.ID]
		err := error(nil)
		if !ok {
			c, err = contents(ctx, j, s.ID)
		}
		if err == nil {
			err = v.entry(s, c)
		}
		if removed(ctx, j, s.ID, s.Time, err) {
			*v = before
			continue
		}
		if err := v.note(s.ID, err); err != nil {
			return err
		}
	}
	return nil
}

// contents looks one entry up.
func contents(ctx context.Context, j journal.Journal, id string) (journal.Contents, error) {
	e, err := j.Entry(ctx, id)
	return journal.Contents{Entry: e, Rows: j.Rows(ctx, id), Images: j.Images(ctx, id)}, err
}

func (v *Verified) entry(s journal.Stored, c journal.Contents) error {
	e := c.Entry
	if e.ID != s.ID || !e.Time.Equal(s.Time) {
		return fmt.Errorf("%w: entry %s of %s is listed as %s of %s", journal.ErrDamaged, e.ID, e.Time.Format(time.RFC3339Nano), s.ID, s.Time.Format(time.RFC3339Nano))
	}
	if err := journal.CheckOutcome(e.Outcome); err != nil {
		return fmt.Errorf("%w: entry %s: %w", journal.ErrDamaged, e.ID, err)
	}
	if e.Outcome == journal.InDoubt {
		v.InDoubt++
	}
	have := make([]int64, len(e.Tables))
	for r, err := range c.Rows {
		if err != nil {
			return err
		}
		if err := checkRow(e, r); err != nil {
			return err
		}
		v.Keys++
		have[r.Table]++
	}
	for i, t := range e.Tables {
		if t.KeysCaptured && have[i] != t.Rows {
			return fmt.Errorf("%w: %d of %s, which lost %d", errCount, have[i], journal.QuoteName(t.Schema, t.Name), t.Rows)
		}
	}
	for _, err := range c.Images {
		if errors.Is(err, journal.ErrSealed) {
			v.Sealed++
			return nil
		}
		if err != nil {
			return err
		}
		v.Images++
	}
	return nil
}
