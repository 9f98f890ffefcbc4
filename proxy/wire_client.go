package proxy

import (
	"context"
	"errors"
)

func (w *wire) Reply(typ byte, body []byte) error {
	if !w.held {
		return errors.New("Reply needs a successful Quiesce before it")
	}
	w.queueReply(typ, body)
	return w.clientErr
}

func (w *wire) queueReply(typ byte, body []byte) {
	if w.clientErr != nil {
		return
	}
	w.reply = appendFrame(w.reply, typ, body)
	if len(w.reply) >= bufferSize {
		w.flushClient()
	}
}

func (w *wire) ReadClient(ctx context.Context) (typ byte, body []byte, err error) {
	w.act()
	w.flush()
	r := w.r
	if !w.detached { // what Message was given stays as it is
		w.detached = true
		rest := r.cin.bytes()
		r.cin.buf = make([]byte, max(bufferSize, len(rest)))
		r.cin.r, r.cin.w = 0, copy(r.cin.buf, rest)
	}
	r.cin.r += w.read
	w.read = 0
	for {
		in, size := r.cin.bytes(), 0
		if len(in) >= headerLen {
			if !clientTypes[in[0]] {
				return 0, nil, invalidType(in[0])
			}
			if size, err = frameSize(in, r.srv.o.MaxMessage); err != nil {
				return 0, nil, err
			}
		}
		if size > 0 && len(in) >= size {
			w.read = size
			r.terminated = in[0] == 'X'
			return in[0], in[headerLen:size], nil
		}
		if err := w.fill(ctx, r.cin); err != nil {
			return 0, nil, err
		}
	}
}

func (w *wire) Ahead(from int) (typ byte, body []byte, next int, ok bool) {
	in := w.r.cin.bytes()
	if from += w.read; from > len(in)-headerLen {
		return 0, nil, 0, false
	}
	in = in[from:]
	size, err := frameSize(in, w.r.srv.o.MaxMessage)
	if err != nil || len(in) < size { // what is wrong with it is said when its turn comes
		return 0, nil, 0, false
	}
	return in[0], in[headerLen:size], from - w.read + size, true
}

func (w *wire) Skip(n int) { w.read += n }

func (w *wire) Sync() bool {
	typ, _, size, ok := w.Ahead(0)
	if !w.held || w.detached || !ok || typ != 'S' {
		return false
	}
	in := w.r.cin
	in.r += w.read + size
	w.frame, w.read, w.r.end = in.buf[in.r-size:in.r], 0, in.r
	w.forwarded, w.muted, w.syncing = false, false, true
	return true
}

// nothingLeft: the server has answered everything, and Receive has taken it.
func (w *wire) nothingLeft() bool {
	r := w.r
	if len(w.out) > 0 || w.serverErr != nil || !w.owns() || len(r.sin.bytes()) > w.received {
		return false
	}
	w.drop()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause == nil && r.serverErr == nil && r.answeredLocked()
}
