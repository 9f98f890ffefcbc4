package proxy

import (
	"runtime"
	"testing"
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
