package alert

import (
	"sync"
	"time"
)

// repeats keeps notices alike from being told one by one: the first is told at
// once, and those that come within the repeat time by the last of them, at its end.
type repeats struct {
	wake chan struct{} // something waits that did not before

	// mu guards seen.
	mu   sync.Mutex
	seen map[string]*repeated
}

// repeated is the notices that are alike.
type repeated struct {
	told time.Time // when one was last queued
	last *Notice   // the last since, nil if there was none
	more int       // those before it, and their rows
	rows int64
}

// maxAlike bounds what is kept in mind; beyond it each notice is told.
const maxAlike = 4096

func newRepeats() *repeats {
	return &repeats{wake: make(chan struct{}, 1), seen: map[string]*repeated{}}
}

// admit reports whether a notice is to be told now; it then stands for those kept back.
func (r *repeats) admit(key string, n *Notice, now time.Time, every time.Duration) bool {
	if every < 0 {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.seen[key]
	if s == nil && len(r.seen) >= maxAlike {
		return true
	}
	if s == nil || now.Sub(s.told) >= every {
		if s != nil && s.last != nil {
			n.More, n.MoreRows = s.more+1, s.rows+s.last.Rows()
		}
		r.seen[key] = &repeated{told: now}
		return true
	}
	if s.last != nil {
		s.more++
		s.rows += s.last.Rows()
	}
	c := *n
	s.last = &c
	select {
	case r.wake <- struct{}{}:
	default:
	}
	return false
}

// forget: the notice that was admitted was not told after all.
func (r *repeats) forget(key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.seen, key)
}

// due takes out the notices that were kept back long enough, and says when the
// next will be (zero: none waits).
func (r *repeats) due(now time.Time, every time.Duration) (ready []Notice, next time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, s := range r.seen {
		at := s.told.Add(every)
		switch {
		case !at.After(now) && s.last != nil:
			ready = append(ready, s.take())
			r.seen[key] = &repeated{told: now}
		case !at.After(now):
			delete(r.seen, key)
		case s.last != nil && (next.IsZero() || at.Before(next)):
			next = at
		}
	}
	return ready, next
}

// all takes out every notice that is kept back.
func (r *repeats) all() (ready []Notice) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		if s.last != nil {
			ready = append(ready, s.take())
		}
	}
	clear(r.seen)
	return ready
}

func (s *repeated) take() Notice {
	n := *s.last
	n.More, n.MoreRows = s.more, s.rows
	return n
}
