package alert

import (
	"errors"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// failing answers with status so many times, then takes what comes.
func failing(t *testing.T, status int, times int32, header ...string) *receiver {
	var left atomic.Int32
	left.Store(times)
	return newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if left.Add(-1) >= 0 {
			for i := 0; i+1 < len(header); i += 2 {
				w.Header().Set(header[i], header[i+1])
			}
			w.WriteHeader(status)
		}
	})
}

func TestDeliver_TriesAgainWhatMayPass(t *testing.T) {
	for _, status := range []int{500, 502, 503, 429, 408} {
		r := failing(t, status, 3)
		a := run(t, Options{}, hook("w", r))
		a.Entry(blocked("u"))
		a.wait(t, "w sent", 1)
		if len(r.got) != 4 {
			t.Errorf("%d: %d tries", status, len(r.got))
		}
	}
}

func TestDeliver_GivesUp(t *testing.T) {
	for status, tries := range map[int]int{503: attempts, 400: 1, 404: 1, 302: 1} {
		r := failing(t, status, 1000, "Location", "/elsewhere")
		a := run(t, Options{}, hook("w", r))
		a.Entry(blocked("u"))
		a.wait(t, "w failed", 1)
		if len(r.got) != tries {
			t.Errorf("%d: %d tries, want %d", status, len(r.got), tries)
		}
	}
}

func TestDeliver_NobodyListens(t *testing.T) {
	r := newReceiver(t, nil)
	a := run(t, Options{}, hook("w", r))
	r.Close()
	a.Entry(blocked("u"))
	a.wait(t, "w failed", 1)
}

func TestDeliver_TimeOut(t *testing.T) {
	r := stuck(t)
	s := hook("w", r)
	s.Timeout = time.Millisecond
	a := run(t, Options{}, s)
	a.Entry(blocked("u"))
	a.wait(t, "w failed", 1)
}

func TestDeliver_HoldWhoseTimeIsUp(t *testing.T) {
	r := newReceiver(t, nil)
	a := run(t, Options{}, hook("w", r))
	h := hold()
	h.Expires = time.Now().Add(-time.Second)
	a.Hold(h)
	a.wait(t, "w failed", 1)
	if len(r.got) != 0 {
		t.Error("people are asked for an answer that nobody waits for")
	}
}

func TestWait_HonoursRetryAfter(t *testing.T) {
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "Wed, 25 Nov 2026 10:00:30 GMT": 30 * time.Second, "0": 0, "-5": 0, "Wed, 25 Nov 2026 09:00:00 GMT": 0, "soon": 0, "": 0,
	} {
		if got := retryAfter(header, when); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
	r := failing(t, 429, 1, "Retry-After", "7")
	err := hook("w", r).To.send(t.Context(), (&Notice{Kind: Test}).message(false))
	s := hook("w", r)
	if d := wait(time.Millisecond, s.masked(err)); d != 7*time.Second {
		t.Errorf("waits %s", d)
	}
	if d := wait(time.Millisecond, &refusedError{after: 24 * time.Hour}); d != longest {
		t.Errorf("waits %s", d)
	}
	for range 100 {
		if d := wait(time.Second, errors.New("x")); d < time.Second/2 || d > time.Second {
			t.Errorf("waits %s", d)
		}
	}
}
