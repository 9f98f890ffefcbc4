package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"sync"
)

// Canceler is a Judge that hears of cancel requests whose session is not here:
// another proxy in front of the same servers has it, and may have it pause. key is
// as in Info.CancelKey.
type Canceler interface {
	Canceled(ctx context.Context, key string)
}

// maxElsewhere bounds the cancel requests of other proxies' sessions that are on
// their way at a time: anybody can send one.
const maxElsewhere = 32

// cancelElsewhere passes on a cancel request that a session of another proxy is
// meant by. Clients have their server's own keys, so any way to that server will
// do; a server that has not given the key out ignores it. All are told at once: one
// that does not answer, or the judge's journal, keeps it from no other.
func (s *Server) cancelElsewhere(ctx context.Context, key []byte) error {
	if s.elsewhere.Add(1) > maxElsewhere {
		s.elsewhere.Add(-1)
		return errors.New("too many cancel requests with keys that no session here has")
	}
	defer s.elsewhere.Add(-1)
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
