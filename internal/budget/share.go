package budget

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Way is one that bytes go between a session and its client.
type Way int

const (
	Sent Way = iota // by the client
	Read            // by it
)

const (
	// Grace is how long somebody waits for room before a session is ended for it.
	Grace = time.Second
	// Stalled is how long a client may then have had its session wait.
	Stalled = 30 * time.Second
	// Progress is how many bytes begin that anew: fewer at a time keep nobody alive.
	Progress = 16 << 10
)

// Share is what one session has of a budget, and how long it has waited for its client with
// that. Where others wait in vain, a session goes whose client stalls. A nil one is without
// end. Its methods are safe for concurrent use.
type Share struct {
	of    *Budget
	end   func()
	held  atomic.Int64
	ended bool // guarded by of.mu

	waits   [2]atomic.Bool       // also while nothing is held
	watched atomic.Pointer[ways] // nil: nothing was ever held
}

// ways are both.
type ways struct {
	aside atomic.Int64 // of held, what is beside the limit

	mu  sync.Mutex
	way [2]waiting
}

// waiting is how long bytes have been waited for on one way.
type waiting struct {
	since  time.Time     // the zero Time: they are not
	before time.Duration // likewise, since Progress
	moved  int           // bytes, since then
}

// Share is for a session, which end ends: that must not wait.
func (b *Budget) Share(end func()) *Share {
	if b == nil {
		return nil
	}
	return &Share{of: b, end: end}
}

// Limit is how many bytes the budget has.
func (s *Share) Limit() int64 { return s.of.limit }

// Take is Budget.Take, but that who has little does not wait for others that wait for much.
func (s *Share) Take(n, has int64, patience *time.Duration) error {
	if s == nil || n <= 0 {
		return nil
	}
	if s.Try(n) || s.takeAside(n) {
		return nil
	}
	err := s.of.Take(n, has, patience)
	if err == nil {
		s.has(n)
	}
	return err
}

// takeAside is Try where others, which want more, wait.
func (s *Share) takeAside(n int64) bool {
	if s.held.Load()+n > s.of.limit/Small || !s.of.aside.TryAcquire(n) {
		return false
	}
	s.of.lent.Add(n)
	s.has(n)
	s.watched.Load().aside.Add(n)
	return true
}

// giveAside gives back what of n bytes was taken aside.
func (s *Share) giveAside(n int64) (given int64) {
	both := s.watched.Load()
	for {
		has := both.aside.Load()
		if given = min(n, has); given == 0 {
			return 0
		}
		if both.aside.CompareAndSwap(has, has-given) {
			s.of.lent.Add(-given)
			s.of.aside.Release(given)
			return given
		}
	}
}

// Try is Budget.Try.
func (s *Share) Try(n int64) bool {
	if s == nil || n <= 0 {
		return true
	}
	if !s.of.Try(n) {
		return false
	}
	s.has(n)
	return true
}

func (s *Share) has(n int64) {
	if s.held.Add(n) != n {
		return
	}
	if s.watched.Load() == nil {
		s.watched.CompareAndSwap(nil, new(ways))
	}
	s.Done() // nobody waited for what was not there
	s.of.mu.Lock()
	defer s.of.mu.Unlock()
	if s.held.Load() > 0 {
		s.of.shares[s] = struct{}{}
	}
}

// Give is Budget.Give.
func (s *Share) Give(n int64) {
	if s == nil || n <= 0 {
		return
	}
	if s.held.Add(-n) == 0 {
		s.of.mu.Lock()
		if s.held.Load() == 0 {
			delete(s.of.shares, s)
		}
		s.of.mu.Unlock()
	}
	s.of.Give(n - s.giveAside(n))
}

// room is how much of the limit comes free with it.
func (s *Share) room() int64 { return s.held.Load() - s.watched.Load().aside.Load() }

// Holds reports whether the session has anything of the budget.
func (s *Share) Holds() bool { return s != nil && s.held.Load() > 0 }

// holding is what is watched while something is held, else nil.
func (s *Share) holding() *ways {
	if !s.Holds() {
		return nil
	}
	return s.watched.Load()
}

// Waits: the client is waited for from now on, until Moves.
func (s *Share) Waits(way Way) {
	if s == nil {
		return
	}
	s.waits[way].Store(true)
	both := s.holding()
	if both == nil {
		return
	}
	both.mu.Lock()
	defer both.mu.Unlock()
	if w := &both.way[way]; w.since.IsZero() {
		w.since = time.Now()
	}
}

// Moves: the client has sent or read n bytes.
func (s *Share) Moves(way Way, n int) {
	if s == nil {
		return
	}
	s.waits[way].Store(false)
	both := s.holding()
	if both == nil {
		return
	}
	both.mu.Lock()
	defer both.mu.Unlock()
	w := &both.way[way]
	if !w.since.IsZero() {
		w.before += time.Since(w.since)
		w.since = time.Time{}
	}
	if w.moved += n; w.moved >= Progress {
		w.before, w.moved = 0, 0
	}
}

// Done: a message is there whole, and has been handled. What is waited for now is
// waited for from now on.
func (s *Share) Done() {
	both := s.holding()
	if both == nil {
		return
	}
	both.mu.Lock()
	defer both.mu.Unlock()
	for way := range both.way {
		both.way[way] = waiting{}
		if s.waits[way].Load() {
			both.way[way].since = time.Now()
		}
	}
}

// stalls reports whether the client has been waited for that long, and still is.
func (s *Share) stalls(after time.Duration) bool {
	both := s.watched.Load()
	both.mu.Lock()
	defer both.mu.Unlock()
	for _, w := range both.way {
		if !w.since.IsZero() && w.before+time.Since(w.since) >= after {
			return true
		}
	}
	return false
}

// evict ends sessions whose clients stall, the largest first, until there will be room for all
// who wait for it longer than Grace.
func (b *Budget) evict() {
	b.mu.Lock()
	short := b.wanted - (b.limit - b.used.Load())
	stalled := []*Share{}
	for s := range b.shares {
		if s.ended {
			short -= s.room()
		} else if s.stalls(b.Stalled) {
			stalled = append(stalled, s)
		}
	}
	slices.SortFunc(stalled, func(x, y *Share) int { return cmp.Compare(y.held.Load(), x.held.Load()) })
	ends := stalled[:0]
	for _, s := range stalled {
		if short <= 0 {
			break
		}
		s.ended = true
		short -= s.room()
		ends = append(ends, s)
	}
	b.mu.Unlock()
	for _, s := range ends {
		s.end()
	}
}
