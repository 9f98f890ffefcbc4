package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// bench is one case: a piece of work done both ways, several times in turn.
type bench struct {
	name string
	peer string // what the work is compared with
	// setup makes the data, untimed.
	setup func(context.Context) error
	// measure does it once, straight or with rowback.
	measure func(ctx context.Context, ours bool) (sample, error)
	// before prepares a round, untimed; nil for nothing.
	before func(ctx context.Context, round int) error

	peers, ours       []sample
	peersCPU, oursCPU time.Duration // of the proxies, in all samples
}

// sample is one measurement: how much was done in what time.
type sample struct {
	done int // transactions, or rows
	took time.Duration
}

// rate is per second.
func (s sample) rate() float64 { return float64(s.done) / s.took.Seconds() }

func (b *bench) run(ctx context.Context, l *lab) error {
	if err := b.setup(ctx); err != nil {
		return err
	}
	for round := range l.rounds {
		if b.before != nil {
			if err := b.before(ctx, round); err != nil {
				return err
			}
		}
		for turn := range 2 {
			if err := b.side(ctx, l, turn != round%2); err != nil {
				return err
			}
		}
	}
	return nil
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
	peerAfter, oursAfter := l.times()
	if ours {
		b.ours, b.oursCPU = append(b.ours, s), b.oursCPU+oursAfter-oursBefore
	} else {
		b.peers, b.peersCPU = append(b.peers, s), b.peersCPU+peerAfter-peerBefore
	}
	return nil
}

// ratios are our rate to the peer's, of each round, in order of size.
func (b *bench) ratios() []float64 {
	var r []float64
	for i, s := range b.ours {
		r = append(r, s.rate()/b.peers[i].rate())
	}
	slices.Sort(r)
	return r
}

// each is a proxy's processor time for each thing done.
func each(cpu time.Duration, samples []sample) time.Duration {
	n := 0
	for _, s := range samples {
		n += s.done
	}
	return cpu / time.Duration(n)
}

// rate is the middle one of several.
func rate(samples []sample) float64 {
	var r []float64
	for _, s := range samples {
		r = append(r, s.rate())
	}
	slices.Sort(r)
	return r[len(r)/2]
}
