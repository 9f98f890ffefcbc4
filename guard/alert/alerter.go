package alert

import (
	"context"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/rowback/rowback/journal"
)

// Options of an Alerter; all may be zero.
type Options struct {
	Logger *slog.Logger
	// Delivered is told of n deliveries that ended so; of each sink and result once
	// with n 0 at its beginning, so that counters start from there.
	Delivered func(sink string, r Result, n int)
	Proxy     string        // who tells, in a test; "" is the host's name
	Backoff   time.Duration // before the second try, doubled after each up to a minute; default 500ms
	GiveUp    time.Duration // how long a notice is tried for; default 1h
	Grace     time.Duration // what is still tried once Run is told to end; default 5s
	Queue     int           // notices that a sink holds; default 256
}

// Result of a delivery, for metrics.
type Result string

const (
	Sent     Result = "sent"
	Failed   Result = "failed"   // tried in vain
	Dropped  Result = "dropped"  // the queue was full
	Repeated Result = "repeated" // told by a later one, in its number
)

// Alerter delivers notices, off the path of who tells it. A nil Alerter tells nobody.
type Alerter struct {
	o Options

	// mu guards what follows. It is held for no longer than it takes to look.
	mu      sync.Mutex
	outlets []*outlet
	start   func(*outlet) // runs an outlet; nil unless Run runs
}

// New makes the sinks' queues; Run delivers.
func New(c Config, o Options) *Alerter {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Delivered == nil {
		o.Delivered = func(string, Result, int) {}
	}
	if o.Proxy == "" {
		o.Proxy, _ = os.Hostname()
	}
	if o.Backoff == 0 {
		o.Backoff = 500 * time.Millisecond
	}
	if o.GiveUp == 0 {
		o.GiveUp = time.Hour
	}
	if o.Grace == 0 {
		o.Grace = 5 * time.Second
	}
	if o.Queue == 0 {
		o.Queue = 256
	}
	a := &Alerter{o: o}
	a.Reload(c)
	return a
}

// Run delivers until ctx ends; then each notice still queued is tried once more,
// for a few seconds in all.
func (a *Alerter) Run(ctx context.Context) {
	// A try under way when ctx ends is not cut off, but bounded with the rest.
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(a.o.Grace, cancel) })()

	var running sync.WaitGroup
	start := func(o *outlet) {
		running.Go(func() { o.urgent.run(ctx, last) })
		running.Go(func() { o.ordinary.run(ctx, last) })
	}
	a.mu.Lock()
	a.start = start
	for _, o := range a.outlets {
		start(o)
	}
	a.mu.Unlock()
	<-ctx.Done()
	a.mu.Lock()
	a.start = nil
	a.mu.Unlock()
	running.Wait()
}

// Reload replaces the sinks. What is queued for one whose name stays goes where
// that is now; one that is gone delivers what it has, then ends.
func (a *Alerter) Reload(c Config) {
	a.mu.Lock()
	defer a.mu.Unlock()
	old := map[string]*outlet{}
	for _, o := range a.outlets {
		old[o.sink.Load().Name] = o
	}
	a.outlets = nil
	for _, s := range c.completed() {
		o := old[s.Name]
		if o == nil {
			o = newOutlet(&a.o)
			for _, r := range []Result{Sent, Failed, Dropped, Repeated} {
				a.o.Delivered(s.Name, r, 0)
			}
			if a.start != nil {
				defer a.start(o) // it looks at its sink
			}
		}
		delete(old, s.Name)
		o.sink.Store(&s)
		a.outlets = append(a.outlets, o)
	}
	for _, o := range old {
		close(o.retired)
	}
}

// Entry tells of an entry over a limit, blocked or committed, or of one whose keys
// are not recorded.
func (a *Alerter) Entry(e *journal.Entry) {
	if a != nil {
		a.tell(ofEntry(e))
	}
}

// Denied tells of an entry of a statement that was held and that somebody denied.
func (a *Alerter) Denied(e *journal.Entry, by string) {
	if a != nil {
		n := ofEntry(e)
		n.Denied = by
		a.tell(n)
	}
}

// Hold tells of a statement that waits for an operator's word.
func (a *Alerter) Hold(h *journal.Hold) {
	if a != nil {
		a.tell(ofHold(h))
	}
}

func (a *Alerter) tell(n Notice) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, o := range a.outlets {
		o.tell(n)
	}
}
