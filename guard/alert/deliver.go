package alert

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	// longest bounds the wait between two tries; longestAsked one that is asked for.
	longest      = time.Minute
	longestAsked = 5 * time.Minute
)

// expiredError: a hold's answer is no longer waited for.
type expiredError struct{}

func (expiredError) Error() string { return "nobody could be told before the statement's time was up" }

// deliver tries once. What may do better later is put behind the others, and all
// wait: a sink that is down is down for all of them, and one that it cannot
// take must not be in the others' way. After ctx has ended nothing is put off.
func (l *lane) deliver(ctx, last context.Context, n Notice) {
	s := l.sink.Load() // it may have been replaced since
	err := s.try(last, &n)
	if n.tried.IsZero() {
		n.tried = time.Now()
	}
	switch {
	case err == nil:
		if l.backoff > 0 {
			l.o.Logger.Info("alerts are delivered again", "sink", s.Name, "to", s.To.String())
		}
		l.backoff, l.again, l.fresh = 0, time.Time{}, false
	case ctx.Err() == nil && passing(err) && time.Since(n.tried) < l.o.GiveUp && len(l.late) < l.o.Queue:
		if l.backoff == 0 { // each of an outage's would drown the log
			l.o.Logger.Warn("alerts do not get through; they are tried again", "sink", s.Name, "to", s.To.String(), "kind", n.Kind, "id", n.ID(), "error", err)
		}
		l.backoff = min(max(2*l.backoff, l.o.Backoff), longest)
		l.again = time.Now().Add(wait(l.backoff, err))
		l.late = append(l.late, n)
		return
	}
	l.ended(s, &n, err)
}

// next delivers the next notice that waits: in turn one that was tried in vain
// and one that was not.
func (l *lane) next(ctx, last context.Context) {
	if l.fresh = !l.fresh; !l.fresh {
		select {
		case n := <-l.queue:
			l.deliver(ctx, last, n)
			return
		default:
		}
	}
	n := l.late[0]
	l.late = l.late[1:]
	l.deliver(ctx, last, n)
}

// wait is a backoff with jitter, so that proxies that were cut off together do
// not come back together; or what the other side asks for.
func wait(backoff time.Duration, err error) time.Duration {
	d := backoff/2 + rand.N(backoff/2+1)
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		d = max(d, refused.after)
	}
	return min(d, longestAsked)
}

// passing reports whether a second try may do better.
func passing(err error) bool {
	var refused *refusedError
	if errors.As(err, &refused) {
		return refused.passing
	}
	return !errors.Is(err, expiredError{})
}

// try sends a notice once. Its error has no secrets.
func (s *Sink) try(ctx context.Context, n *Notice) error {
	if n.Hold != nil && !n.Hold.Expires.IsZero() && time.Now().After(n.Hold.Expires) {
		return expiredError{}
	}
	ctx, cancel := context.WithTimeout(ctx, s.Timeout)
	defer cancel()
	return s.masked(s.To.send(ctx, n.message(s.SQL)))
}

func (l *lane) ended(s *Sink, n *Notice, err error) {
	if err != nil {
		l.o.Delivered(s.Name, Failed, 1)
		l.o.Logger.Error("alert could not be delivered", "sink", s.Name, "to", s.To.String(), "kind", n.Kind, "id", n.ID(), "error", err)
		return
	}
	l.o.Delivered(s.Name, Sent, 1)
}
