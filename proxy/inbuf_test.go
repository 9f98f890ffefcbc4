package proxy

import (
	"testing"

	"github.com/rowback/rowback/internal/budget"
)

// A server's long message gets its memory at once, a client's as it comes.
func TestInbuf_Grows(t *testing.T) {
	const long = 10 * bufferSize
	for _, copied := range []bool{true, false} {
		m := budget.New(1 << 20)
		b := newInbuf(nil)
		b.memory, b.copied, b.need, b.w = m.Share(nil), copied, long, len(b.buf)
		if err := b.grow(); err != nil {
			t.Fatal(err)
		}
		size, used := 2*bufferSize, int64(0)
		if copied {
			size, used = long, 2*budget.Beyond(long)
		}
		if len(b.buf) != size || m.Used() != used {
			t.Errorf("%d bytes, %d of the budget: want %d and %d", len(b.buf), m.Used(), size, used)
		}
		if b.free(); m.Used() != 0 {
			t.Errorf("%d bytes are kept", m.Used())
		}
	}
}
