package journal

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// crockford is base 32 without I, L, O and U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// lastID keeps the IDs of one millisecond in the order they were made.
var lastID struct {
	mu     sync.Mutex
	ms     uint64
	hi, lo uint64 // the random part: 16 and 64 bits
}

// NewID makes an ID for an entry of time t: a ULID, 48 bits of milliseconds
// and 80 random bits as 26 characters. IDs sort by time; of two made in this
// process for the same millisecond the later one sorts after.
func NewID(t time.Time) string {
	l := &lastID
	l.mu.Lock()
	defer l.mu.Unlock()
	if ms := uint64(t.UnixMilli()); ms != l.ms || l.hi|l.lo == 0 {
		var random [10]byte
		rand.Read(random[:]) // never fails
		l.ms = ms
		// The top bit stays free, so counting up never overflows.
		l.hi = uint64(binary.BigEndian.Uint16(random[:])) &^ (1 << 15)
		l.lo = binary.BigEndian.Uint64(random[2:])
	} else if l.lo++; l.lo == 0 {
		l.hi++
	}
	return encodeID(l.ms<<16|l.hi, l.lo)
}

// encodeID writes 128 bits.
func encodeID(hi, lo uint64) string {
	var out [26]byte
	for i := len(out) - 1; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// readID undoes how people type an ID: in lower case, O for 0, I or L for 1.
var readID = strings.NewReplacer("O", "0", "I", "1", "L", "1")

func canonicalID(typed string) string {
	return readID.Replace(strings.ToUpper(strings.TrimSpace(typed)))
}
