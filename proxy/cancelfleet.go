package proxy

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
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
// do; a server that has not given the key out ignores it.
func (s *Server) cancelElsewhere(ctx context.Context, key []byte) error {
	if s.o.Elsewhere != nil && s.o.Elsewhere(key) {
		return nil
	}
	if s.elsewhere.Add(1) > maxElsewhere {
		s.elsewhere.Add(-1)
		return errors.New("too many cancel requests with keys that no session here has")
	}
	defer s.elsewhere.Add(-1)
	if c, ok := s.o.Judge.(Canceler); ok {
		c.Canceled(ctx, keyDigest(key))
	}
	var errs []error
	for _, h := range s.legs.Load().hosts {
		errs = append(errs, s.passCancel(ctx, h.endpoints[0], key))
	}
	return errors.Join(errs...)
}

// keyDigest names a key to who keeps it where others may look.
func keyDigest(key []byte) string {
	sum := sha256.Sum256(key)
	return hex.EncodeToString(sum[:])
}
