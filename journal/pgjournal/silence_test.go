package pgjournal_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// first is what a listing says first, but for what it lists.
func first[T any](list iter.Seq2[T, error]) error {
	for _, err := range list {
		return err
	}
	return nil
}

// openWith opens a journal in a database of its own with that many connections, all of them open.
func openWith(t *testing.T, relay *pgtest.Relay, connections int, o journal.Options) journal.Journal {
	t.Helper()
	url := pgtest.Shared(t).URL(pgtest.Database(t))
	j := openAt(t, relay.Through(url)+fmt.Sprintf("&pool_min_conns=%d&pool_max_conns=%[1]d", connections), o)
	eventually(t, "all connections are open", func() bool {
		return number(t, url, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'rowback journal' AND state = 'idle'") == int64(connections)
	})
	return j
}

// Whatever the journal is asked while the network is silent ends with an error that
// says so, over connections that are open and over new ones; and works when it is back.
func TestServer_Silent(t *testing.T) {
	relay := pgtest.NewRelay(t, pgtest.Shared(t))
	j := openWith(t, relay, 16, journal.Options{Proxy: "p1"})
	e := newEntry()
	now := time.Now()
	h := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour)}
	if err := errors.Join(j.Append(t.Context(), e, twoKeys(t)), j.Hold(t.Context(), h)); err != nil {
		t.Fatal(err)
	}
	fleet, keeper := j.(journal.Fleet), j.(journal.Keeper)
	uses := map[string]func(context.Context) error{
		"Allowances": func(ctx context.Context) error { _, err := j.Allowances(ctx, time.Now()); return err },
		"Holds":      func(ctx context.Context) error { _, err := j.Holds(ctx, journal.Waiting); return err },
		"HoldByID":   func(ctx context.Context) error { _, err := j.HoldByID(ctx, h.ID); return err },
		"Entry":      func(ctx context.Context) error { _, err := j.Entry(ctx, e.ID); return err },
		"Entries":    func(ctx context.Context) error { return first(j.Entries(ctx, journal.Filter{})) },
		"Rows":       func(ctx context.Context) error { return first(j.Rows(ctx, e.ID)) },
		"Images":     func(ctx context.Context) error { return first(j.Images(ctx, e.ID)) },
		"Stored":     func(ctx context.Context) error { return first(keeper.Stored(ctx)) },
		"Alive":      func(ctx context.Context) error { _, err := fleet.Alive(ctx); return err },
		"Recount": func(ctx context.Context) error {
			return fleet.Recount(ctx, []string{"r"}, func() ([]journal.PastCount, error) { return nil, nil })
		},
		"Ping":   j.Ping,
		"Append": func(ctx context.Context) error { return j.Append(ctx, newEntry(), nil) },
		"Settle": func(ctx context.Context) error { return j.Settle(ctx, e.ID, journal.Committed) },
		"Decide": func(ctx context.Context) error {
			_, err := j.Decide(ctx, h.ID, journal.Denied, "ops", "", time.Now())
			return err
		},
	}
	relay.Silence(true)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute) // for the test to fail
	defer cancel()
	var all sync.WaitGroup
	for name, use := range uses {
		all.Go(func() {
			if err := use(ctx); !errors.Is(err, journal.ErrAway) {
				t.Errorf("%s: %v", name, err)
			}
		})
	}
	all.Wait()
	if ctx.Err() != nil {
		t.Error("not all have ended by themselves")
	}
	relay.Silence(false)
	eventually(t, "it works again", func() bool { return j.Append(t.Context(), newEntry(), twoKeys(t)) == nil })
	for name, use := range uses {
		if err := use(t.Context()); err != nil && !errors.Is(err, journal.ErrDecided) {
			t.Errorf("%s, with the network back: %v", name, err)
		}
	}
}

// A deadline ends a write that has begun, too, as a cancellation does not.
func TestWrite_Deadline(t *testing.T) {
	relay := pgtest.NewRelay(t, pgtest.Shared(t))
	j := openWith(t, relay, 2, journal.Options{})
	relay.Silence(true)
	other := make(chan error, 1)
	go func() { _, err := j.Holds(t.Context(), ""); other <- err }() // this has the journal's own limit alone
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := j.Append(ctx, newEntry(), nil); !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
	select {
	case err := <-other:
		t.Errorf("it took as long as without: %v", err)
	default:
		relay.Silence(false)
		<-other
	}
}
