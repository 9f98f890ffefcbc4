package alert

import (
	"context"
	"sync"
	"time"

	"github.com/rowback/rowback/journal"
)

// Rehearsal is how a test notice fared with one sink.
type Rehearsal struct {
	Sink  string // its name
	To    string // where it is, without secrets
	Took  time.Duration
	Error error // nil: it was taken; without secrets
}

// Test sends a test notice through every sink, once and whether or not Run runs,
// and returns how each fared, in their order.
func (a *Alerter) Test(ctx context.Context) []Rehearsal {
	now := time.Now().UTC()
	n := Notice{Kind: Test, Time: now, id: journal.NewID(now), proxy: a.o.Proxy}
	a.mu.Lock()
	out := make([]Rehearsal, len(a.outlets))
	sinks := make([]*Sink, len(a.outlets))
	for i, o := range a.outlets {
		sinks[i] = o.sink.Load()
	}
	a.mu.Unlock()
	var all sync.WaitGroup
	for i, s := range sinks {
		all.Go(func() {
			start := time.Now()
			err := s.try(ctx, &n)
			out[i] = Rehearsal{Sink: s.Name, To: s.To.String(), Took: time.Since(start), Error: err}
		})
	}
	all.Wait()
	return out
}
