package alert

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
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
	for status, again := range map[int]bool{503: true, 400: false, 404: false, 302: false} {
		r := failing(t, status, 1000, "Location", "/elsewhere")
		a := run(t, Options{GiveUp: 50 * time.Millisecond}, hook("w", r))
		a.Entry(blocked("u"))
		a.wait(t, "w failed", 1)
		if len(r.got) > 1 != again {
			t.Errorf("%d: %d tries", status, len(r.got))
		}
	}
}

// While a sink is down nothing is given up: it gets all when it is back.
func TestDeliver_AllWaitForASinkThatIsDown(t *testing.T) {
	r := failing(t, 503, 4)
	a := run(t, Options{}, hook("w", r))
	for i := range 30 {
		a.Entry(blocked(fmt.Sprint("u", i)))
	}
	a.wait(t, "w sent", 30)
	if len(r.got) != 34 || a.count("w failed") != 0 {
		t.Errorf("%d tries, %d failed", len(r.got), a.count("w failed"))
	}
	if log := a.log.String(); strings.Count(log, "do not get through") != 1 || strings.Count(log, "delivered again") != 1 {
		t.Errorf("the log has not one line when it goes down and one when it is back:\n%s", log)
	}
}

// A notice that the sink cannot take is not in the way of others.
func TestDeliver_OthersGoPastWhatFails(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, q *http.Request) {
		if body, _ := io.ReadAll(q.Body); bytes.Contains(body, []byte("poison")) {
			w.WriteHeader(500)
		}
	})
	a := run(t, Options{}, hook("w", r))
	for _, user := range []string{"poison", "b", "c", "d"} {
		a.Entry(blocked(user))
	}
	a.wait(t, "w sent", 3)
}

func TestDeliver_NobodyListens(t *testing.T) {
	r := newReceiver(t, nil)
	a := run(t, Options{GiveUp: time.Millisecond}, hook("w", r))
	r.Close()
	a.Entry(blocked("u"))
	a.wait(t, "w failed", 1)
}

func TestDeliver_TimeOut(t *testing.T) {
	r := stuck(t)
	s := hook("w", r)
	s.Timeout = time.Millisecond
	a := run(t, Options{GiveUp: time.Millisecond}, s)
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
	if d := wait(time.Millisecond, &refusedError{after: 24 * time.Hour}); d != longestAsked {
		t.Errorf("waits %s", d)
	}
	for range 100 {
		if d := wait(time.Second, errors.New("x")); d < time.Second/2 || d > time.Second {
			t.Errorf("waits %s", d)
		}
	}
}
