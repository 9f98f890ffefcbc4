package main

import (
	"context"
	"fmt"
	"time"
)

// work is something to measure, which gives some lines of the report.
type work interface {
	title() string
	run(ctx context.Context, l *lab) ([]result, error)
}

// other is work that is no comparison of rates.
type other struct {
	name string
	do   func(ctx context.Context) ([]result, error)
}

func (o *other) title() string { return o.name }

func (o *other) run(ctx context.Context, _ *lab) ([]result, error) { return o.do(ctx) }

// bench is one case: a piece of work done both ways, several times in turn.
type bench struct {
	name string
	peer string // what the work is compared with
	// goal for the ratio: of rates where it is a least, of times where it is a most.
	goal goal
	cpu  goal // for that of the proxies' processor times: a line of its own
	// rounds, where it is too long for all of them; 0: as many as the rest.
	rounds int
	// setup makes the data, untimed.
	setup func(context.Context) error
	// measure does it once, straight or with rowback.
	measure func(ctx context.Context, ours bool) (sample, error)
	// before prepares a round, untimed; nil for nothing.
	before func(ctx context.Context, round int) error

	peers, ours []sample
}

// sample is one measurement: how much was done in what time.
type sample struct {
	done  int // transactions, or rows
	took  time.Duration
	spent *spent // nil: what was spent around the measurement
}

// spent is processor time of the proxies.
type spent struct{ peer, ours time.Duration }

// rate is per second.
func (s sample) rate() float64 { return float64(s.done) / s.took.Seconds() }

func (b *bench) title() string { return b.name + ", " + b.peer }

func (b *bench) run(ctx context.Context, l *lab) ([]result, error) {
	if err := b.setup(ctx); err != nil {
		return nil, err
	}
	rounds := l.rounds
	if b.rounds > 0 {
		rounds = min(rounds, b.rounds)
	}
	for round := range rounds {
		if b.before != nil {
			if err := b.before(ctx, round); err != nil {
				return nil, err
			}
		}
		for turn := range 2 {
			if err := b.side(ctx, l, turn != round%2); err != nil {
				return nil, err
			}
		}
	}
	return b.results(), nil
}

func (b *bench) side(ctx context.Context, l *lab, ours bool) error {
	peerBefore, oursBefore := l.times()
	s, err := b.measure(ctx, ours)
	switch {
	case err != nil:
		return err
	case s.done == 0 || s.took <= 0:
		return fmt.Errorf("nothing was done in %v", s.took)
	}
	if s.spent == nil {
		peerAfter, oursAfter := l.times()
		s.spent = &spent{peerAfter - peerBefore, oursAfter - oursBefore}
	}
	if ours {
		b.ours = append(b.ours, s)
	} else {
		b.peers = append(b.peers, s)
	}
	return nil
}

func (b *bench) results() []result {
	r := result{Name: b.name, Peer: b.peer, Unit: "/s", Peers: rate(b.peers), Ours: rate(b.ours), Figure: rateRatio,
		PeersCPU: cpuEach(false, b.peers...), OursCPU: cpuEach(true, b.ours...)}
	if b.goal.sign == "≤" {
		r.Figure = timeRatio
	}
	out := []result{r.figures(b.ratios(), b.goal)}
	if b.cpu.sign != "" && r.PeersCPU > 0 && r.OursCPU > 0 {
		c := result{Name: b.name, Peer: b.peer, Unit: "µs", Peers: r.PeersCPU, Ours: r.OursCPU, Figure: cpuRatio}
		out = append(out, c.figures(b.cpuRatios(), b.cpu))
	}
	return out
}

// ratios are our rate to the peer's, or our time, of each round.
func (b *bench) ratios() []float64 {
	var r []float64
	for i, s := range b.ours {
		ratio := s.rate() / b.peers[i].rate()
		if b.goal.sign == "≤" {
			ratio = 1 / ratio
		}
		r = append(r, ratio)
	}
	return r
}

// cpuRatios are our proxy's processor time to the peer's, of each round; of all
// together where a round is too short for the clock's ticks.
func (b *bench) cpuRatios() (r []float64) {
	for i, s := range b.ours {
		theirs, mine := cpuEach(false, b.peers[i]), cpuEach(true, s)
		if theirs == 0 || mine == 0 {
			return []float64{cpuEach(true, b.ours...) / cpuEach(false, b.peers...)}
		}
		r = append(r, mine/theirs)
	}
	return r
}

// cpuEach is a proxy's processor time for each thing done, µs: ours or the peer's.
func cpuEach(ours bool, samples ...sample) float64 {
	n, cpu := 0, time.Duration(0)
	for _, s := range samples {
		if n += s.done; ours {
			cpu += s.spent.ours
		} else {
			cpu += s.spent.peer
		}
	}
	return float64(cpu) / float64(time.Microsecond) / float64(n)
}

// rate is the middle one of several.
func rate(samples []sample) float64 {
	var r []float64
	for _, s := range samples {
		r = append(r, s.rate())
	}
	return middle(r)
}
