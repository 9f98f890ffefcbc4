package pgjournal

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// page is how many entries one query of a listing reads. No transaction stays
// open while the caller looks at an entry.
const page = 256

// record is an entry as its row says.
type record struct {
	no, time, keys int64
	entry          *journal.Entry
}

const entryColumns = "no, id, time, outcome, keys, body::text"

func (j *shared) query(ctx context.Context, limit time.Duration, text string, args ...any) (out []record, err error) {
	err = j.readFor(ctx, limit, func(ctx context.Context, c *pgx.Conn) error {
		out = nil
		rows, err := c.Query(ctx, text, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r record
			var id, outcome string
			var body []byte
			if err := rows.Scan(&r.no, &id, &r.time, &outcome, &r.keys, &body); err != nil {
				return err
			}
			if r.entry, err = journal.DecodeEntry(id, body, journal.Outcome(outcome)); err != nil {
				return err
			}
			out = append(out, r)
		}
		return rows.Err()
	})
	return out, err
}

// find looks an entry up by its whole ID or a unique prefix.
func (j *shared) find(ctx context.Context, id string) (record, error) {
	return journal.Lookup(journal.AnEntry, id, func(r record) string { return r.entry.ID }, func(prefix bool) ([]record, error) {
		w := byID(id, prefix)
		return j.query(ctx, tryTimeout, "SELECT "+entryColumns+" FROM entry WHERE "+w.text()+" ORDER BY id LIMIT 2", w.args...)
	})
}

func (j *shared) Entry(ctx context.Context, id string) (*journal.Entry, error) {
	r, err := j.find(ctx, id)
	return r.entry, err
}

func (j *shared) Entries(ctx context.Context, f journal.Filter) iter.Seq2[*journal.Entry, error] {
	return func(yield func(*journal.Entry, error) bool) {
		w := filtered(f)
		for {
			got, err := j.query(ctx, pageTimeout, "SELECT "+entryColumns+" FROM entry WHERE "+w.text()+fmt.Sprintf(" ORDER BY time DESC, id DESC LIMIT %d", page), w.args...)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, g := range got {
				if !yield(g.entry, nil) {
					return
				}
			}
			if len(got) < page {
				return
			}
			last := got[len(got)-1]
			w = filtered(f)
			w.add("(time, id) < (?, ?)", last.time, last.entry.ID)
		}
	}
}
