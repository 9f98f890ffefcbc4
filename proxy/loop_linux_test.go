package proxy

import (
	"runtime"
	"testing"
	"time"
)

// A session that has nothing to do costs no goroutine, whatever it did before.
func TestLoop_QuietSessionsHaveNoGoroutine(t *testing.T) {
	s := serve(t, Options{Judge: judgeFunc(exchangeAndForward)})
	before := runtime.NumGoroutine()
	const sessions = 30
	for range sessions {
		c := connect(t, proxyURL(s, "postgres"))
		if _, err := c.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "the goroutines of quiet sessions to end", func() bool { return runtime.NumGoroutine() < before+sessions/3 })
	if n := s.Stats().Sessions; n != sessions {
		t.Errorf("%d sessions are left", n)
	}
}

// Where the scheduler has no signals to interrupt its wait, it keeps none.
func TestLoop_KeepsNoProcessorWhereNoSignalInterruptsIt(t *testing.T) {
	for settings, want := range map[string]bool{"": true, "gctrace=0": true, "gctrace=0,asyncpreemptoff=1": false} {
		t.Setenv("GODEBUG", settings)
		l, err := newLoop(true)
		if err != nil {
			t.Fatal(err)
		}
		if l.close(); l.keeps != want {
			t.Errorf("GODEBUG=%q: keeps its processor: %v", settings, l.keeps)
		}
	}
}

// A loop that keeps a processor while it waits gives it up to who must stop the
// world, be there messages or none, and to goroutines once none come.
func TestLoop_GivesWayWhereItKeepsAProcessor(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2))
	s := serve(t, Options{Loops: 1})
	c := connect(t, proxyURL(s, "postgres"))
	for n := range 300 {
		if _, err := c.Exec(t.Context(), "SELECT 1"); err != nil {
			t.Fatal(err)
		}
		if n%10 == 0 {
			runtime.GC()
		}
	}
	runtime.GOMAXPROCS(1) // which stops the world, and leaves the loop's processor alone
	timer := time.NewTimer(time.Millisecond)
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
	runtime.GC()
}
