package journal

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// DerivedID is an ID for an entry of time t that is the same whenever it is made
// of the same seed: for evidence kept elsewhere that is brought in, perhaps more
// than once (Append then says ErrExists).
func DerivedID(t time.Time, seed string) string {
	sum := sha256.Sum256([]byte(seed))
	return encodeID(uint64(t.UnixMilli())<<16|uint64(binary.BigEndian.Uint16(sum[:])), binary.BigEndian.Uint64(sum[2:]))
}
