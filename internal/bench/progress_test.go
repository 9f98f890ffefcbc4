package main

import (
	"strings"
	"testing"
	"time"
)

// The connecting and the warming are left out, also of the processor time.
func TestWindow(t *testing.T) {
	spentSoFar := time.Duration(0)
	w := window{times: func() (peer, ours time.Duration) {
		spentSoFar += time.Second
		return spentSoFar, 2 * spentSoFar
	}}
	err := w.read(strings.NewReader(`progress: 1.0 s, 0.0 tps, lat 0.000 ms stddev 0.000, 0 failed
progress: 2.0 s, 5.0 tps, lat 0.000 ms stddev 0.000, 0 failed
another line
progress: 3.0 s, 50.0 tps, lat 0.000 ms stddev 0.000, 0 failed
progress: 4.0 s, 100.0 tps, lat 0.000 ms stddev 0.000, 0 failed
progress: 6.0 s, 200.0 tps, lat 0.000 ms stddev 0.000, 0 failed
`))
	if s := w.sample; err != nil || s.done != 500 || s.took != 3*time.Second || *s.spent != (spent{2 * time.Second, 4 * time.Second}) {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWindow_NothingBeforeItIsWarm(t *testing.T) {
	w := window{times: func() (peer, ours time.Duration) { return 0, 0 }}
	if err := w.read(strings.NewReader("progress: 1.0 s, 9.0 tps\nprogress: 2.0 s, 9.0 tps\n")); err != nil || w.sample.done != 0 {
		t.Errorf("%+v, %v", w.sample, err)
	}
}
