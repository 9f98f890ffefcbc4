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
	b := &bench{name: "work", peer: "direct", peers: []sample{{100, time.Second, &spent{}}}, ours: []sample{{100, 2 * time.Second, &spent{}}}}
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
	const ms = time.Millisecond
	theirs, mine := &spent{peer: ms}, &spent{ours: ms}
	for _, c := range []struct {
		name          string
		peers, ours   []sample
		min, mid, max float64 // 0: no line
	}{
		{"a ratio of each round", []sample{{100, time.Second, theirs}, {50, time.Second, theirs}}, []sample{{50, time.Second, mine}, {100, time.Second, mine}}, 0.5, 1.25, 2},
		{"a round too short for the clock", []sample{{100, time.Second, theirs}, {100, time.Second, &spent{}}}, []sample{{50, time.Second, mine}, {50, time.Second, mine}}, 4, 4, 4},
		{"/proc does not say", []sample{{100, time.Second, &spent{}}}, []sample{{50, time.Second, mine}}, 0, 0, 0},
	} {
		b := &bench{name: "work", peer: "pgbouncer", goal: atLeast(1), cpu: atMost(1.2), peers: c.peers, ours: c.ours}
		lines := b.results()[1:]
		if c.mid == 0 {
			if len(lines) != 0 {
				t.Errorf("%s: %+v", c.name, lines)
			}
			continue
		}
		if len(lines) != 1 || lines[0].Figure != cpuRatio || lines[0].Min != c.min || lines[0].Median != c.mid || lines[0].Max != c.max || lines[0].verdict() != "missed" {
			t.Errorf("%s: %+v", c.name, lines)
		}
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
	for _, want := range []string{"≥ 1.00   met", "≤ 4.00   missed", "d                                                not measured: no such thing", "1 targets met, 1 missed."} {
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
