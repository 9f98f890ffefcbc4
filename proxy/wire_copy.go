package proxy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// copying is a COPY FROM STDIN under way. Each side may wait for the other to be read, so
// that one goroutine sends the client's data on and another one hears the server.
type copying struct {
	*wire
	last bool // the data's last message has begun
	asks bool // … and is answered when more comes

	stray byte // the type of what does not belong there instead

	said  chan struct{} // closed when the server has something for Receive, or is gone
	fatal bool          // … with which the session ends
	err   error         // … why it is gone
	done  chan struct{} // closed when who waits for data then has been woken
}

func (w *wire) CopyIn(ctx context.Context) error {
	if !w.held || !w.owns() {
		return errors.New("CopyIn needs a CopyInResponse from Receive before it")
	}
	w.act()
	w.drop()
	w.flush()
	if w.serverErr != nil {
		return w.serverErr
	}
	w.detach()
	client, server := w.r.cin.conn, w.r.sin.conn
	stopClient, stopServer := w.interruptOn(ctx, client), w.interruptOn(ctx, server)
	defer stopClient()
	defer stopServer()
	c := copying{wire: w, said: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(c.done)
		c.hear()
		close(c.said)
		_ = client.SetReadDeadline(time.Unix(1, 0))
	}()
	err := c.send(ctx)
	gone := errors.Is(err, errServerGone)
	if err != nil && !gone { // else the server has said something, or will
		_ = server.SetReadDeadline(time.Unix(1, 0))
	}
	<-c.done
	w.wake()
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.Is(err, errClientGone):
		w.clientErr = err
		return err
	case err != nil && !gone:
		return err
	case c.err != nil:
		w.serverErr = errors.Join(errServerGone, c.err)
	}
	return w.serverErr
}

// wake has reads wait again, whose deadline has passed.
func (w *wire) wake() {
	r := w.r
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.cause == nil {
		_, _ = r.cin.conn.SetReadDeadline(time.Time{}), r.sin.conn.SetReadDeadline(time.Time{})
	}
}

// send forwards data up to its end, or once the server has said something to that of the
// message under way: in the midst of it the server would take nothing else.
func (c *copying) send(ctx context.Context) error {
	r := c.r
	for woken := false; ; {
		over := c.over()
		n, err := c.scan(over)
		if err != nil {
			return err
		}
		run := r.cin.buf[r.cin.r : r.cin.r+n]
		r.cin.r += n
		ends := c.last && r.skip == 0
		if ends && c.asks { // an answer is wanted
			c.out = appendFrame(append(c.out[:0], run...), 'H', nil)
			run, c.out = c.out, shrink(c.out)
		}
		if ends && c.stray != 0 {
			c.out = appendFrame(appendFrame(append(c.out[:0], run...), c.stray, nil), 'X', nil)
			run, c.out = c.out, shrink(c.out)
		}
		if len(run) > 0 {
			if err := r.writeServer(run); err != nil {
				return err
			}
		}
		switch {
		case ends || over && (r.skip == 0 || c.fatal || c.err != nil):
			return nil
		case n > 0:
			continue
		}
		if err := r.cin.fill(); err != nil {
			if !c.over() || woken || ctx.Err() != nil || !errors.Is(err, os.ErrDeadlineExceeded) {
				return fmt.Errorf("%w amid COPY data: %v", errClientGone, err)
			}
			<-c.done
			c.wake()
			woken = true
		}
	}
}

// over reports whether the server has something for Receive, or is gone.
func (c *copying) over() bool {
	select {
	case <-c.said:
		return true
	default:
		return false
	}
}

// scan returns how much of what is there goes to the server. over: only what is left of a message.
func (c *copying) scan(over bool) (n int, err error) {
	r := c.r
	for {
		in := r.cin.bytes()[n:]
		if m := min(r.skip, len(in)); m > 0 {
			r.skip -= m
			n += m
			continue
		}
		if over || c.last || len(in) < headerLen {
			return n, nil
		}
		size, err := frameSize(in, r.srv.o.MaxMessage)
		if err != nil {
			return n, err
		}
		switch typ := in[0]; typ {
		case 'd':
		case 'H', 'S': // the server ignores them here
			if n > 0 || len(in) < size {
				return n, nil
			}
			r.cin.r += size
			continue
		case 'c', 'f', 'X':
			if err := r.note(typ); err != nil {
				return n, err
			}
			c.last, c.asks, r.terminated = true, typ != 'X', typ == 'X'
		default: // see misplace
			c.last, c.stray, r.terminated = true, typ, true
			return n, r.note(typ, 'X')
		}
		r.skip = size
	}
}

// hear passes what the server says beside the answers on to the client, until there is
// something else.
func (c *copying) hear() {
	r := c.r
	for {
		typ, body, size, err := c.next(func() error {
			c.flushClient()
			return r.sin.fill()
		})
		if err != nil || !asynchronous(typ) {
			c.err, c.fatal = err, err == nil && typ == 'E' && isFatal(body)
			c.flushClient()
			return
		}
		r.mu.Lock()
		r.notice(typ, body)
		r.mu.Unlock()
		c.say(typ, body)
		r.sin.r += size
		r.sin.need = 0
	}
}
