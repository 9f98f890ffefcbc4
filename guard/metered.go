package guard

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowback/rowback/journal"
)

// metered is the journal as the guard uses it, with metrics of what passes: how
// long appending takes, which entries wait for their outcome, and which
// statements for an operator.
type metered struct {
	journal.Journal
	m *Metrics
}

func (j metered) Append(ctx context.Context, e *journal.Entry, keys *journal.Keys) error {
	began := time.Now()
	if err := j.Journal.Append(ctx, e, keys); err != nil {
		return err
	}
	j.m.Append.Observe(time.Since(began).Seconds())
	if keys != nil {
		j.m.Keys.WithLabelValues(j.m.series.database(e.Database)).Add(float64(keys.Len()))
	}
	if e.Outcome == journal.InDoubt {
		j.m.pending.entry(e.ID, e.Time)
	}
	return nil
}

func (j metered) Settle(ctx context.Context, id string, o journal.Outcome) error {
	err := j.Journal.Settle(ctx, id, o)
	if err == nil || errors.Is(err, journal.ErrSettled) || errors.Is(err, journal.ErrNotFound) {
		j.m.pending.settled(id)
	}
	return err
}

// Ping is asked for after a failed append, before each further deletion: while it
// fails, deletions are refused.
func (j metered) Ping(ctx context.Context) error {
	err := j.Journal.Ping(ctx)
	if err != nil {
		j.m.JournalErrors.Inc()
	}
	return err
}

func (j metered) Hold(ctx context.Context, h *journal.Hold) error {
	err := j.Journal.Hold(ctx, h)
	if err == nil && j.m.pending.hold(h.ID) {
		j.m.Held.WithLabelValues(j.m.series.database(h.Database)).Inc()
	}
	return err
}

func (j metered) HoldByID(ctx context.Context, id string) (*journal.Hold, error) {
	h, err := j.Journal.HoldByID(ctx, id)
	if err == nil && h.State != journal.Waiting {
		j.decided(h, h.State)
	}
	return h, err
}

// Decide: whatever comes of it, the guard decides only what it waits for no longer.
func (j metered) Decide(ctx context.Context, id string, s journal.HoldState, by, reason string, at time.Time) (*journal.Hold, error) {
	h, err := j.Journal.Decide(ctx, id, s, by, reason, at)
	if h != nil {
		j.decided(h, h.State)
	}
	return h, err
}

func (j metered) decided(h *journal.Hold, s journal.HoldState) {
	if j.m.pending.answered(h.ID) {
		database := j.m.series.database(h.Database)
		j.m.Held.WithLabelValues(database).Dec()
		j.m.Holds.WithLabelValues(database, string(s)).Inc()
	}
}

// pending is what has begun and not ended.
type pending struct {
	// mu guards the rest.
	mu      *sync.Mutex
	entries map[string]time.Time // in doubt: committing, or left so
	holds   map[string]bool
}

func newPending() pending {
	return pending{mu: &sync.Mutex{}, entries: map[string]time.Time{}, holds: map[string]bool{}}
}

func (p *pending) entry(id string, at time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.entries[id] = at
}

func (p *pending) settled(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.entries, id)
}

// hold reports whether it is new.
func (p *pending) hold(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.holds[id]
	p.holds[id] = true
	return !was
}

// answered reports whether it was waited for.
func (p *pending) answered(id string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.holds[id]
	delete(p.holds, id)
	return was
}

// inDoubt is how many entries wait for their outcome, and since when the oldest.
func (p *pending) inDoubt() (n int, oldest time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, at := range p.entries {
		if oldest.IsZero() || at.Before(oldest) {
			oldest = at
		}
	}
	return len(p.entries), oldest
}

func (p *pending) collectors() []prometheus.Collector {
	return []prometheus.Collector{
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "rowback", Name: "entries_in_doubt", Help: "Entries whose transaction's outcome is not recorded yet."},
			func() float64 { n, _ := p.inDoubt(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "rowback", Name: "oldest_in_doubt_seconds", Help: "Age of the oldest of them, 0 if there is none."},
			func() float64 {
				if _, oldest := p.inDoubt(); !oldest.IsZero() {
					return max(time.Since(oldest).Seconds(), 0)
				}
				return 0
			}),
	}
}
