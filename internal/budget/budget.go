// Package budget bounds what the sessions of a process hold in memory, all together.
//
// A session has a floor that is its own, and takes from the budget what is beyond it, so
// that what is small touches nothing shared. Whoever takes waits a bounded time, also
// while it holds something: it then gets ErrFull, gives back what it has, and the others
// go on; who has little does not wait for who wants much. What can go to a file instead does not wait (Try). Who waits for its client with
// what it has taken may be ended for those who wait for room (Share).
package budget

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
)

// Floor is how much of one buffer, in bytes, takes nothing from a budget.
const Floor = 128 << 10

// Patience is how long one message waits in all: others' go through in less.
const Patience = 3 * time.Second

// ErrFull: there was no room, and none came free in time.
var ErrFull = errors.New("the memory for messages is used up")

// Hint is what a client is told that finds no room.
const Hint = "Others may use what there is: try again later. Or send less at a time, or raise the proxy's max-memory."

// Budget is so many bytes. A nil one is without end. Its methods are safe for concurrent use.
type Budget struct {
	// Stalled is the constant, but for tests.
	Stalled time.Duration

	limit  int64
	room   *semaphore.Weighted // fair: many small ones do not keep a large one waiting for ever
	used   atomic.Int64        // of limit
	aside  *semaphore.Weighted // beside that, see Small
	lent   atomic.Int64        // of aside
	failed atomic.Uint64

	mu     sync.Mutex
	shares map[*Share]struct{} // that hold something
	wanted int64               // by those who have waited for Grace
}

// A share that has no more than the Small-th part of the limit does not wait for larger ones that
// wait: there is an Aside-th part more for such.
const (
	Small = 32
	Aside = 8
)

// New is a budget of limit bytes.
func New(limit int64) *Budget {
	return &Budget{Stalled: Stalled, limit: limit, room: semaphore.NewWeighted(limit), aside: semaphore.NewWeighted(limit / Aside), shares: map[*Share]struct{}{}}
}

// Beyond is what a buffer of that size takes from a budget.
func Beyond(size int) int64 { return int64(max(0, size-Floor)) }

// Take takes n bytes, and waits for them as long as patience is left, which it uses up:
// not where it would wait for the bytes that the caller has itself. They are for Give.
func (b *Budget) Take(n, has int64, patience *time.Duration) error {
	if b == nil || n <= 0 || b.Try(n) {
		return nil
	}
	if n+has <= b.limit { // else nothing to wait for
		began := time.Now()
		ctx, cancel := context.WithDeadline(context.Background(), began.Add(*patience))
		defer cancel()
		defer b.wants(n)()
		err := b.room.Acquire(ctx, n)
		if *patience -= time.Since(began); err == nil {
			b.used.Add(n)
			return nil
		}
	}
	b.failed.Add(1)
	return ErrFull
}

// wants has those make room who stall, if n bytes do not come free within Grace. It returns
// what ends that.
func (b *Budget) wants(n int64) (over func()) {
	begun := make(chan struct{})
	late := time.AfterFunc(Grace, func() {
		defer close(begun)
		b.want(n)
		b.evict()
	})
	return func() {
		if !late.Stop() {
			<-begun
			b.want(-n)
		}
	}
}

func (b *Budget) want(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.wanted += n
}

// Try takes n bytes if there is room for them now.
func (b *Budget) Try(n int64) bool {
	if b == nil || n <= 0 {
		return true
	}
	if !b.room.TryAcquire(n) {
		return false
	}
	b.used.Add(n)
	return true
}

// Give gives n bytes back.
func (b *Budget) Give(n int64) {
	if b == nil || n <= 0 {
		return
	}
	b.used.Add(-n)
	b.room.Release(n)
}

// Limit, Used and Failed are how many bytes there are (but for Aside), how many are taken (of that
// as well), and how often Take has failed.
func (b *Budget) Limit() int64   { return b.limit }
func (b *Budget) Used() int64    { return b.used.Load() + b.lent.Load() }
func (b *Budget) Failed() uint64 { return b.failed.Load() }
