package alert

import (
	"context"
	"slices"
	"sync/atomic"
	"time"
)

// outlet is a sink with its queues. The sink may be replaced while it runs.
type outlet struct {
	o       *Options
	sink    atomic.Pointer[Sink]
	retired chan struct{} // closed when no notice comes any more

	urgent, ordinary lane
	repeats          *repeats // of the ordinary lane
}

func newOutlet(o *Options) *outlet {
	out := &outlet{o: o, retired: make(chan struct{}), repeats: newRepeats()}
	out.urgent = lane{outlet: out, queue: make(chan Notice, o.Queue)}
	out.ordinary = lane{outlet: out, queue: make(chan Notice, o.Queue), repeats: out.repeats}
	return out
}

// tell queues a notice, if the sink is for such. It does not block.
func (o *outlet) tell(n Notice) {
	s := o.sink.Load()
	if !slices.Contains(s.On, n.Kind) {
		return
	}
	l, key := &o.urgent, ""
	if n.Kind != Held {
		l, key = &o.ordinary, n.alike()
		if !o.repeats.admit(key, &n, time.Now(), s.Repeat) {
			o.o.Delivered(s.Name, Repeated, 1)
			return
		}
	}
	select {
	case l.queue <- n:
	default:
		o.repeats.forget(key)
		o.o.Delivered(s.Name, Dropped, 1)
		o.o.Logger.Error("alert queue is full; alert dropped", "sink", s.Name, "kind", n.Kind, "id", n.ID())
	}
}

// lane is one queue of an outlet, delivered in order as long as the sink takes all.
type lane struct {
	*outlet
	queue   chan Notice
	repeats *repeats // of this lane; nil: each notice is told

	late    []Notice      // tried in vain, to be tried again
	backoff time.Duration // doubled with each failure, 0 after a success
	again   time.Time     // not to be tried before
	fresh   bool          // the next one to be tried is to be one from the queue
}

// run delivers until ctx ends or the outlet is retired, and then what is left.
func (l *lane) run(ctx, last context.Context) {
	var wake <-chan struct{}
	if l.repeats != nil {
		wake = l.repeats.wake
	}
	for {
		due := l.due(ctx, last)
		queue, again := l.queue, (<-chan time.Time)(nil)
		if d := time.Until(l.again); d > 0 {
			queue, again = nil, time.After(d)
		} else if len(l.late) > 0 {
			l.next(ctx, last)
			continue
		}
		select {
		case n := <-queue:
			l.deliver(ctx, last, n)
		case <-again:
		case <-due:
		case <-wake:
		case <-l.retired:
			l.rest(ctx, last)
			return
		case <-ctx.Done():
			l.rest(ctx, last)
			return
		}
	}
}

// due delivers what stands for notices alike whose time is up, and returns a
// channel that says when it is for the next; nil if there is none.
func (l *lane) due(ctx, last context.Context) <-chan time.Time {
	if l.repeats == nil {
		return nil
	}
	now := time.Now()
	ready, next := l.repeats.due(now, l.sink.Load().Repeat)
	for _, n := range ready {
		l.deliver(ctx, last, n)
	}
	if next.IsZero() {
		return nil
	}
	return time.After(next.Sub(now))
}

// rest delivers all that there is; nothing more comes.
func (l *lane) rest(ctx, last context.Context) {
	for {
		select {
		case n := <-l.queue:
			l.deliver(ctx, last, n)
			continue
		default:
		}
		if l.repeats != nil {
			for _, n := range l.repeats.all() {
				l.deliver(ctx, last, n)
			}
		}
		for len(l.late) > 0 {
			select {
			case <-time.After(time.Until(l.again)):
			case <-ctx.Done():
			}
			l.next(ctx, last)
		}
		return
	}
}
