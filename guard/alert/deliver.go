package alert

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"
)

const (
	attempts = 8
	// longest bounds the wait between two tries, also one that is asked for.
	longest = 5 * time.Minute
)

// expiredError: a hold's answer is no longer waited for.
type expiredError struct{}

func (expiredError) Error() string { return "nobody could be told before the statement's time was up" }

// deliver tries until it succeeds, but once only after ctx has ended, and not at
// all after last has.
func (l *lane) deliver(ctx, last context.Context, n Notice) {
	backoff := l.o.Backoff
	for attempt := 1; ; attempt++ {
		s := l.sink.Load() // it may have been replaced since
		err := s.try(last, &n)
		if err == nil || attempt == attempts || ctx.Err() != nil || !passing(err) {
			l.ended(s, &n, err)
			return
		}
		timer := time.NewTimer(wait(backoff, err))
		select {
		case <-ctx.Done():
		case <-timer.C:
		}
		timer.Stop()
		backoff *= 2
	}
}

// wait is a backoff with jitter, so that proxies that were cut off together do
// not come back together; or what the other side asks for.
func wait(backoff time.Duration, err error) time.Duration {
	d := backoff/2 + rand.N(backoff/2+1)
	if refused := (*refusedError)(nil); errors.As(err, &refused) {
		d = max(d, refused.after)
	}
	return min(d, longest)
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
