package guard

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/rowback/rowback/proxy"
)

// turn is held by one session at a time: a lock that can be waited for with an
// eye on the client.
type turn chan struct{}

func newTurn() turn { return make(turn, 1) }

// try takes it if nobody has it.
func (t turn) try() bool {
	select {
	case t <- struct{}{}:
		return true
	default:
		return false
	}
}

// await takes it within d, or reports that it could not.
func (t turn) await(ctx context.Context, d time.Duration) bool {
	late := time.NewTimer(d)
	defer late.Stop()
	select {
	case t <- struct{}{}:
		return true
	case <-late.C:
	case <-ctx.Done():
	}
	return false
}

func (t turn) give() { <-t }

// lookTurn is a turn to look at the catalog.
type lookTurn struct {
	turn
	since atomic.Int64 // it was taken, Unix time in ns
}

func newLookTurn() *lookTurn { return &lookTurn{turn: newTurn()} }

// lookLong is after what time another one may look at the catalog beside who does: its server,
// or its client, may have stopped. What it finds in the end is as good as ever.
const lookLong = 10 * time.Second

// looks is the turn to look at the catalog now.
func (d *database) looks(now int64) *lookTurn {
	t := d.loading.Load()
	if since := t.since.Load(); len(t.turn) > 0 && since > 0 && now-since >= int64(lookLong) {
		d.loading.CompareAndSwap(t, newLookTurn())
		t = d.loading.Load()
	}
	return t
}

// turnEvery is how often who waits for its turn looks whether the client still wants it.
const turnEvery = 100 * time.Millisecond

// changeWait is how long a session waits for another one that looks at what has changed.
const changeWait = time.Second

// firstWait is how long it waits for one that reads the catalog first of all. That may
// be much to read; but what keeps one session from it is no matter of the others.
const firstWait = 5 * time.Second

// awaitTurn waits for a turn to look at the catalog, but no longer than d. Without
// turn, and with no error, that is over, or the proxy about to end. errFailed: the client has
// cancelled its statement, and been told. Only after Quiesce.
func (s *session) awaitTurn(ctx context.Context, w proxy.Wire, t turn, d time.Duration) (mine bool, err error) {
	if t.try() {
		return true, nil
	}
	late, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	err = w.Pause(late, time.Millisecond, func(ctx context.Context) bool {
		mine = t.await(ctx, turnEvery)
		return mine
	})
	switch {
	case errors.Is(err, proxy.ErrCanceled):
		return false, s.refuse(ctx, w, canceledError())
	case late.Err() != nil && ctx.Err() == nil && !mine:
		return false, nil
	case errors.Is(err, proxy.ErrDraining):
		return false, nil
	}
	return mine, err
}
