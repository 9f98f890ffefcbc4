package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"
)

// Canceler is a Judge that hears of cancel requests whose session is not here:
// another proxy in front of the same servers has it, and may have it pause. key is
// as in Info.CancelKey.
type Canceler interface {
	Canceled(ctx context.Context, key string)
}

// Anybody can send a cancel request with a key that no session here has: whoever is told of them
// is told of so many at a time, and so many are here, as when an application gives up all that it
// has under way.
const (
	maxElsewhere = 32
	maxStrays    = 1000
)

// lane is the way of such requests to one who is told of them. One that hangs fills its own alone.
type lane struct{ room *semaphore.Weighted }

func newLane() lane { return lane{semaphore.NewWeighted(maxElsewhere)} }

func (l lane) inTurn(ctx context.Context, do func() error) error {
	if err := l.room.Acquire(ctx, 1); err != nil {
		return fmt.Errorf("cancel requests with keys that no session here has take too long: %w", err)
	}
	defer l.room.Release(1)
	return do()
}

// cancelElsewhere passes on a cancel request that a session of another proxy is
// meant by. Clients have their server's own keys, so any way to that server will
// do; a server that has not given the key out ignores it. All are told at once: one
// that does not answer, or the judge's journal, keeps it from no other.
func (s *Server) cancelElsewhere(ctx context.Context, key []byte) error {
	defer s.strays.Add(-1)
	if s.strays.Add(1) > maxStrays {
		return errors.New("too many cancel requests with keys that no session here has")
	}
	waited, cancel := context.WithTimeout(ctx, s.o.StartupTimeout)
	defer cancel()
	if s.o.Elsewhere != nil {
		found := false
		err := s.elsewhere.inTurn(waited, func() error { found = s.o.Elsewhere(key); return nil })
		if err != nil || found {
			return err
		}
	}
	var all sync.WaitGroup
	var judge error
	if c, ok := s.o.Judge.(Canceler); ok {
		all.Go(func() {
			judge = s.judged.inTurn(waited, func() error { c.Canceled(waited, keyDigest(key)); return nil })
		})
	}
	hosts := s.legs.Load().hosts
	errs := make([]error, len(hosts))
	for i, h := range hosts {
		all.Go(func() {
			errs[i] = h.cancels.inTurn(waited, func() error { return s.passCancel(ctx, h.endpoints[0], key) })
		})
	}
	all.Wait()
	return errors.Join(append(errs, judge)...)
}

// keyDigest names a key to who keeps it where others may look.
func keyDigest(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}
