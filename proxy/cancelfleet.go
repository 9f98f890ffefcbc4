package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
)

// Canceler is a Judge that hears of cancel requests whose session is not here:
// another proxy in front of the same servers has it, and may have it pause. key is
// as in Info.CancelKey.
type Canceler interface {
	Canceled(ctx context.Context, key string)
}

// Anybody can send a cancel request with a key that no session here has: so many are on their
// way at a time, and so many wait for that, as when an application gives up all that it has
// under way.
const (
	maxElsewhere        = 32
	maxElsewhereWaiting = 1000
)

// cancelElsewhere passes on a cancel request that a session of another proxy is
// meant by. Clients have their server's own keys, so any way to that server will
// do; a server that has not given the key out ignores it. All are told at once: one
// that does not answer, or the judge's journal, keeps it from no other.
func (s *Server) cancelElsewhere(ctx context.Context, key []byte) error {
	defer s.strays.Add(-1)
	if s.strays.Add(1) > maxElsewhere+maxElsewhereWaiting {
		return errors.New("too many cancel requests with keys that no session here has")
	}
	waited, cancel := context.WithTimeout(ctx, s.o.StartupTimeout)
	defer cancel()
	if err := s.elsewhere.Acquire(waited, 1); err != nil {
		return fmt.Errorf("cancel requests with keys that no session here has take too long: %w", err)
	}
	defer s.elsewhere.Release(1)
	if s.o.Elsewhere != nil && s.o.Elsewhere(key) {
		return nil
	}
	var all sync.WaitGroup
	if c, ok := s.o.Judge.(Canceler); ok {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, s.o.StartupTimeout)
			defer cancel()
			c.Canceled(ctx, keyDigest(key))
		})
	}
	hosts := s.legs.Load().hosts
	errs := make([]error, len(hosts))
	for i, h := range hosts {
		all.Go(func() { errs[i] = s.passCancel(ctx, h.endpoints[0], key) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// keyDigest names a key to who keeps it where others may look.
func keyDigest(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}
