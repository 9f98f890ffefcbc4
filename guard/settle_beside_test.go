package guard_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// committedXID is the ID of a transaction that committed.
func (e *env) committedXID() (xid string) {
	e.t.Helper()
	c := connect(e.t, e.direct, pgx.QueryExecModeExec)
	if err := c.QueryRow(context.Background(), "INSERT INTO plain VALUES (1000, 'x') RETURNING pg_current_xact_id()::text").Scan(&xid); err != nil {
		e.t.Fatal(err)
	}
	return xid
}

// long ago: nothing is added any more to what came soon after it.
func long(ago time.Duration) func(*journal.Entry) {
	return func(x *journal.Entry) {
		x.Time = x.Time.Add(-ago)
		x.ID = journal.NewID(x.Time)
	}
}

// A client's statement does not wait for the journal to take what it can settle.
func TestSettle_JournalTakesLong(t *testing.T) {
	e, j := withFaulty(t, shop, "DELETE FROM plain WHERE id > 90")
	id := e.doubtful(e.committedXID(), "plain", []string{"95"})
	j.stuck.Store(true)
	e.start(blockPolicy(), j)
	done := make(chan struct{})
	go func() { e.look(); close(done) }()
	select {
	case <-done:
	case <-time.After(pollTime):
		t.Fatal("a session waits for the journal")
	}
	j.stuck.Store(false)
	e.clock.advance(time.Hour)
	e.look()
	if x, err := e.journal.Entry(t.Context(), id); err != nil || x.Outcome != journal.Committed {
		t.Errorf("%v, %v", x.Outcome, err)
	}
}

// What came after an entry in doubt is read once, be it in parts, where nothing can be
// added to it; and what it cannot tell is not asked again in this run of the server.
func TestSettle_ReadOnce(t *testing.T) {
	for name, c := range map[string]struct {
		keys []string
		part int // how many entries are read at a time
		want journal.Outcome
	}{
		"told":                     {[]string{"95"}, 100, journal.Committed},
		"told, read in parts":      {[]string{"95"}, 3, journal.Committed},
		"cannot be told":           {nil, 100, journal.InDoubt},
		"cannot be told, in parts": {nil, 3, journal.InDoubt},
	} {
		t.Run(name, func(t *testing.T) {
			e, j := withFaulty(t, shop, "DELETE FROM plain WHERE id > 90")
			xid := e.committedXID()
			id := e.doubtfulEntry(journal.Deletion, xid, "plain", c.keys, long(time.Hour))
			const later = 6
			for i := range later {
				x := e.doubtfulEntry(journal.Deletion, "", "orders", nil, long(time.Hour-time.Duration(i+1)*time.Second))
				if err := e.journal.Settle(t.Context(), x, journal.Committed); err != nil {
					t.Fatal(err)
				}
			}
			read := 0
			after := func(n int) bool {
				if n == c.part {
					return false
				}
				read++
				return true
			}
			j.after.Store(&after)
			e.start(blockPolicy(), j)
			for range 5 {
				e.look()
				e.clock.advance(2 * time.Minute)
			}
			if x, err := e.journal.Entry(t.Context(), id); err != nil || x.Outcome != c.want {
				t.Errorf("%v, %v; want %s", x.Outcome, err, c.want)
			}
			// Where a reading goes on there is one more that it had before.
			if limit := later + 1 + later/c.part*2; read < later || read > limit {
				t.Errorf("%d entries were read, there are %d", read, later+1)
			}
		})
	}
}

func (j *faulty) Entries(ctx context.Context, f journal.Filter) iter.Seq2[*journal.Entry, error] {
	all, after := j.Journal.Entries(ctx, f), j.after.Load()
	if f.Until.IsZero() || after == nil {
		return all
	}
	return func(yield func(*journal.Entry, error) bool) {
		n := 0
		for e, err := range all {
			if !(*after)(n) {
				<-ctx.Done()
				yield(nil, ctx.Err())
				return
			}
			if n++; !yield(e, err) {
				return
			}
		}
	}
}
