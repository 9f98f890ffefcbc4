package recovery

import (
	"strings"
	"testing"
	"time"
)

func TestProgress_RateAndTimeLeft(t *testing.T) {
	var out strings.Builder
	at := time.Unix(0, 0)
	p := NewProgress(&out, false)
	p.now = func() time.Time { return at }
	p.told = at
	p.Start("collecting", 40_000)
	at = at.Add(2 * time.Second)
	p.Add(4_000)
	if out.Len() > 0 {
		t.Errorf("spoke up after two seconds: %q", out.String())
	}
	at = at.Add(8 * time.Second)
	p.Add(6_000)
	p.Done()
	if got, want := out.String(), "collecting: 10,000 of 40,000 rows (25%), 1,000 rows/s, 30s left\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	out.Reset()
	p.Count("reading", "entries", 10)
	at = at.Add(10 * time.Second)
	p.Add(5)
	if got, want := out.String(), "reading: 5 of 10 entries (50%), 0 entries/s, 10s left\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	var none *Progress
	none.Start("x", 1)
	none.Add(1)
	none.Done()
}

func TestGrouped(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 50382: "50,382", 1234567: "1,234,567", -1000: "-1,000", -100: "-100"} {
		if got := grouped(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
