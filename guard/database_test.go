package guard

import (
	"testing"
	"time"

	"github.com/rowback/rowback/catalog"
)

// That looks take long is forgotten soon, also by a clock that is put back.
func TestDatabase_Stuck(t *testing.T) {
	d, at := newDatabase("x"), time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{0, true}, {changeWait, true}, {2 * changeWait, false}, {time.Hour, false}, {-time.Hour, false}} {
		d.stick(at.UnixNano())
		if got := d.isStuck(at.Add(c.after).UnixNano()); got != c.want {
			t.Errorf("after %v: %v", c.after, got)
		}
	}
}

// A view that nobody has looked at for two of the clock's ticks may be as old as any.
func TestDatabase_OldViews(t *testing.T) {
	d, v := newDatabase("x"), newView(&catalog.Snapshot{})
	v.good(d.now())
	for i, want := range [][2]bool{{false, false}, {true, false}, {true, true}} {
		if is, changed := d.stale(v); is != want[0] || changed || d.old(v) != want[1] {
			t.Errorf("after %d ticks: stale %v, changed %v, old %v", i, is, changed, d.old(v))
		}
		d.other.tick()
	}
	v.good(d.now())
	d.doubt("an entry", doubt{})
	d.doubt("another", doubt{})
	if is, changed := d.stale(v); !is || changed || d.old(v) {
		t.Errorf("with entries to be settled: stale %v, changed %v, old %v", is, changed, d.old(v))
	}
}
