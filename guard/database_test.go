package guard

import (
	"testing"
	"time"
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
