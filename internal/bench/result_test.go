package main

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestGoal_MetByTheMedian(t *testing.T) {
	for _, c := range []struct {
		goal    goal
		figures []float64
		verdict string
	}{
		{atLeast(1), []float64{1.2, 0.5, 1}, "met"},
		{atLeast(1), []float64{0.99, 0.5, 3}, "missed"},
		{atMost(1.3), []float64{1.3, 9, 1}, "met"},
		{atMost(1.3), []float64{1.31}, "missed"},
		{atMost(0), []float64{-3, 0, 5}, "met"},
		{goal{}, []float64{7}, ""},
	} {
		if got := (result{}).figures(c.figures, c.goal); got.verdict() != c.verdict {
			t.Errorf("%v with %v: %q, not %q", c.goal, c.figures, got.verdict(), c.verdict)
		}
	}
}

func TestBench_RatioIsOfTimesWhereTheTargetIsAMost(t *testing.T) {
	b := &bench{name: "work", peer: "direct", peers: []sample{{100, time.Second, nil}}, ours: []sample{{100, 2 * time.Second, nil}}}
	for _, c := range []struct {
		goal   goal
		figure string
		want   float64
	}{{atLeast(0.8), rateRatio, 0.5}, {goal{}, rateRatio, 0.5}, {atMost(1.3), timeRatio, 2}} {
		b.goal = c.goal
		if r := b.results()[0]; r.Figure != c.figure || r.Median != c.want || r.Peers != 100 || r.Ours != 50 {
			t.Errorf("%v: %+v", c.goal, r)
		}
	}
}

func TestBench_ProcessorTimeIsALineOfItsOwn(t *testing.T) {
	b := &bench{name: "work", peer: "pgbouncer", goal: atLeast(1), cpu: atMost(1.2), peers: []sample{{100, time.Second, nil}}, ours: []sample{{50, time.Second, nil}},
		peersCPU: time.Millisecond, oursCPU: time.Millisecond}
	r := b.results()
	if len(r) != 2 || r[1].Figure != cpuRatio || r[1].Median != 2 || r[1].verdict() != "missed" {
		t.Errorf("%+v", r)
	}
	if b.peersCPU = 0; len(b.results()) != 1 { // /proc does not say
		t.Errorf("%+v", b.results())
	}
}

func TestTable_CountsTargets(t *testing.T) {
	results := []result{
		(result{Name: "a", Peer: "p", Figure: rateRatio}).figures([]float64{2}, atLeast(1)),
		(result{Name: "b", Figure: "KiB"}).figures([]float64{5}, atMost(4)),
		(result{Name: "c", Figure: rateRatio}).figures([]float64{1}, goal{}),
		{Name: "d", Problem: "no such thing"},
	}
	var out bytes.Buffer
	tb := newTable(&out)
	for _, r := range results {
		tb.row(r)
	}
	tb.ending(results, time.Minute)
	for _, want := range []string{"≥ 1.00   met", "≤ 4.00   missed", "d                                              not measured: no such thing", "1 targets met, 1 missed."} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in:\n%s", want, &out)
		}
	}
}

func TestAmount(t *testing.T) {
	for x, want := range map[float64]string{0: "0", 0.123: "0.12", -9.5: "-9.50", 12.34: "12.3", 123.6: "124", 43210: "43210"} {
		if got := amount(x); got != want {
			t.Errorf("%v: %s, not %s", x, got, want)
		}
	}
}
