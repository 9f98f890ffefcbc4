package proxy

import (
	"io"
	"net"
	"sync"
	"time"

	"github.com/rowback/rowback/internal/budget"
)

const (
	// bufferSize bounds what is read of one direction before it is written on.
	bufferSize = 32 << 10
	// lookSize is how much of a long message is there before Session.Wants sees it.
	lookSize = 4 << 10
)

// inbuf is the read buffer of one connection: buf[r:w] is read and not used yet.
type inbuf struct {
	conn net.Conn
	buf  []byte
	r, w int
	// need is the size of the message at r that is to be here whole, as far as is known.
	need int

	memory *budget.Share // which what is beyond its floor is taken from
	held   int64         // what it has of memory
	// patience is how long its message may still wait for more.
	patience time.Duration

	lent   bool // buf is somebody else's
	copied bool // it is a server's: what is read is copied as it is worked on, and counts twice
}

// buffers are of size bufferSize.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// take is memory for a read buffer.
func take(size int) []byte {
	if size > bufferSize {
		return make([]byte, size)
	}
	return buffers.Get().(*[bufferSize]byte)[:]
}

// giveBack is for memory that nothing refers to any more.
func giveBack(b []byte) {
	if len(b) == bufferSize {
		buffers.Put((*[bufferSize]byte)(b))
	}
}

func newInbuf(c net.Conn) *inbuf { return &inbuf{conn: c, buf: take(bufferSize)} }

func (b *inbuf) bytes() []byte { return b.buf[b.r:b.w] }

// fill reads once. It moves or grows the buffer only when it is full, so the
// memory taken follows what was really sent, not the length a header claims.
func (b *inbuf) fill() error {
	if err := b.room(); err != nil {
		return err
	}
	b.waits()
	n, err := b.conn.Read(b.buf[b.w:])
	return b.filled(n, err)
}

// waits: it is the client that is waited for, if it is the client's.
func (b *inbuf) waits() {
	if !b.copied {
		b.memory.Waits(budget.Sent)
	}
}

// room makes room for a read.
func (b *inbuf) room() error {
	switch {
	case len(b.buf) < bufferSize:
		b.own()
	case b.r > 0 && len(b.buf) > bufferSize && b.w-b.r < bufferSize: // give a grown buffer back
		small := make([]byte, bufferSize)
		b.w = copy(small, b.bytes())
		b.buf, b.r = small, 0
		b.settle()
	case b.r == b.w:
		b.r, b.w = 0, 0
	case b.w < len(b.buf):
	case b.r >= len(b.buf)/2 || b.r > 0 && (len(b.buf) <= bufferSize || 0 < b.need && b.need <= len(b.buf)):
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	default:
		return b.grow()
	}
	return nil
}

// grow moves what is in b into twice the room, or as much as its message needs. Both
// are there for a moment.
func (b *inbuf) grow() error {
	size := 2 * len(b.buf)
	switch {
	case b.need <= len(b.buf):
	case b.copied: // a server's: all of it will come, and none waits while it has a part
		size = b.need
	default:
		size = min(size, b.need)
	}
	if takes := b.takes(size); takes > b.held {
		if b.held == 0 {
			b.patience = budget.Patience
		}
		if err := b.memory.Take(takes, b.held, &b.patience); err != nil {
			return noRoom(err)
		}
		b.memory.Give(b.held)
		b.held = takes
	}
	grown := make([]byte, size)
	b.w = copy(grown, b.buf[b.r:b.w])
	b.buf, b.r = grown, 0
	return nil
}

// takes is what a buffer of that size takes of the budget.
func (b *inbuf) takes(size int) int64 {
	n := budget.Beyond(size)
	if b.copied {
		n *= 2
	}
	return n
}

// settle gives back what a buffer that has become smaller had of the budget.
func (b *inbuf) settle() {
	if b.held == 0 {
		return
	}
	if now := b.takes(len(b.buf)); now < b.held {
		b.memory.Give(b.held - now)
		b.held = now
	}
}

// free is for a buffer that nobody uses any more.
func (b *inbuf) free() {
	b.buf, b.r, b.w = nil, 0, 0
	b.settle()
}

// discard reads a message of that size, the first part of which is there, to its end.
func (b *inbuf) discard(size int, fill func() error) error {
	for {
		n := min(size, b.w-b.r)
		b.r += n
		if size -= n; size == 0 {
			return nil
		}
		if b.need = 0; len(b.buf) > bufferSize {
			b.buf = make([]byte, bufferSize)
		}
		b.r, b.w = 0, 0
		b.settle()
		if err := fill(); err != nil {
			return err
		}
	}
}

// tryFill is fill, but does not wait: errAgain says that it would have to.
func (b *inbuf) tryFill() error {
	if err := b.room(); err != nil {
		return err
	}
	n, err := b.conn.(*sock).tryRead(b.buf[b.w:])
	return b.filled(n, err)
}

func (b *inbuf) filled(n int, err error) error {
	b.w += n
	if !b.copied {
		b.memory.Moves(budget.Sent, n)
	}
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// frame waits for a whole frame and returns it without using it up: the
// caller adds size to r. body is valid until the next fill.
func (b *inbuf) frame(max int) (typ byte, body []byte, size int, err error) {
	for {
		if in := b.bytes(); len(in) >= headerLen {
			if size, err = frameSize(in, max); err != nil {
				return 0, nil, 0, err
			}
			if len(in) >= size {
				return in[0], in[headerLen:size], size, nil
			}
		}
		if err := b.fill(); err != nil {
			return 0, nil, 0, err
		}
	}
}
