package guard

import (
	"context"
	"testing"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// crowd is a journal that proxies share, with those that are alive.
type crowd struct {
	journal.Journal
	journal.Fleet
	alive map[string]bool
}

func (c *crowd) Alive(context.Context) (map[string]bool, error) { return c.alive, nil }
func (c *crowd) KeepCounts(context.Context, []string) error     { return nil }
func (c *crowd) Recount(context.Context, []string, func() ([]journal.PastCount, error)) error {
	return nil
}

// holding opens a journal in which a statement of each proxy waits.
func holding(t *testing.T, proxies ...string) (j journal.Journal, ids map[string]string) {
	t.Helper()
	j, err := journal.Open(t.Context(), t.TempDir(), journal.Options{Proxy: "mine"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := j.Close(); err != nil {
			t.Error(err)
		}
	})
	ids = map[string]string{}
	for _, p := range proxies {
		now := time.Now()
		h := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(24 * time.Hour), State: journal.Waiting, Proxy: p}
		if err := j.Hold(t.Context(), h); err != nil {
			t.Fatal(err)
		}
		ids[p] = h.ID
	}
	return j, ids
}

func wantHolds(t *testing.T, j journal.Journal, ids map[string]string, want map[string]journal.HoldState) {
	t.Helper()
	for p, state := range want {
		if h, err := j.HoldByID(t.Context(), ids[p]); err != nil || h.State != state {
			t.Errorf("what %s holds: %+v, %v, want %s", p, h, err, state)
		}
	}
}

// What a proxy that was killed held waits for nobody's word any more.
func TestHold_ItsProxyHasEnded(t *testing.T) {
	j, ids := holding(t, "mine", "killed")
	judge := &Judge{o: Options{Journal: j, Proxy: "mine", Now: time.Now}}
	if err := judge.Abandoned(t.Context()); err != nil {
		t.Fatal(err)
	}
	wantHolds(t, j, ids, map[string]journal.HoldState{"mine": journal.Waiting, "killed": journal.Left})
}

// In a fleet it is who was not alive for a while, as seen by one who is.
func TestHold_ItsProxyIsNotAlive(t *testing.T) {
	j, ids := holding(t, "mine", "killed", "other")
	c := &crowd{Journal: j}
	now := time.Now()
	judge, err := New(t.Context(), Options{Policy: policy.Uniform(policy.Hold, 10), Journal: c, Proxy: "mine", Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	keep := func(after time.Duration, alive ...string) {
		t.Helper()
		now = now.Add(after)
		c.alive = map[string]bool{}
		for _, p := range alive {
			c.alive[p] = true
		}
		judge.keepFleet(t.Context())
	}
	all := map[string]journal.HoldState{"mine": journal.Waiting, "killed": journal.Waiting, "other": journal.Waiting}
	if err := judge.Abandoned(t.Context()); err != nil { // says nothing of the others
		t.Fatal(err)
	}
	keep(0, "mine", "other")
	keep(dead-1, "mine")
	wantHolds(t, j, ids, all)
	keep(1) // the journal's server was started again: nobody has come back yet
	wantHolds(t, j, ids, all)
	keep(0, "mine", "other")
	keep(dead-1, "mine", "other")
	wantHolds(t, j, ids, all)
	keep(1, "mine")
	all["killed"] = journal.Left
	wantHolds(t, j, ids, all)
	keep(0, "mine", "other")
	keep(dead, "mine", "other")
	wantHolds(t, j, ids, all)
}
