package proxy

import (
	"io"
	"net"
	"sync"
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
	lent bool // buf is somebody else's
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

func newInbuf(c net.Conn) *inbuf { return &inbuf{conn: c, buf: make([]byte, bufferSize)} }

func (b *inbuf) bytes() []byte { return b.buf[b.r:b.w] }

// fill reads once. It moves or grows the buffer only when it is full, so the
// memory taken follows what was really sent, not the length a header claims.
func (b *inbuf) fill() error {
	b.room()
	n, err := b.conn.Read(b.buf[b.w:])
	return b.filled(n, err)
}

// room makes room for a read.
func (b *inbuf) room() {
	switch {
	case len(b.buf) < bufferSize:
		b.own()
	case b.r > 0 && len(b.buf) > bufferSize && b.w-b.r < bufferSize: // give a grown buffer back
		small := make([]byte, bufferSize)
		b.w = copy(small, b.bytes())
		b.buf, b.r = small, 0
	case b.r == b.w:
		b.r, b.w = 0, 0
	case b.w < len(b.buf):
	case b.r >= len(b.buf)/2 || b.r > 0 && len(b.buf) <= bufferSize:
		b.w = copy(b.buf, b.buf[b.r:b.w])
		b.r = 0
	default:
		grown := make([]byte, 2*len(b.buf))
		b.w = copy(grown, b.buf[b.r:b.w])
		b.buf, b.r = grown, 0
	}
}

// tryFill is fill, but does not wait: errAgain says that it would have to.
func (b *inbuf) tryFill() error {
	b.room()
	n, err := b.conn.(*sock).tryRead(b.buf[b.w:])
	return b.filled(n, err)
}

func (b *inbuf) filled(n int, err error) error {
	b.w += n
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
