package proxy

import "errors"

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
	if typ == 'Z' {
		w.catchUp()
	}
	if len(body) < bufferSize {
		w.reply = appendFrame(w.reply, typ, body)
		if len(w.reply) >= bufferSize {
			w.flushClient()
		}
		return
	}
	// A long one is not copied: it goes now.
	w.reply = appendHeader(w.reply, typ, len(body))
	w.flushClient()
	if w.clientErr == nil {
		w.clientErr = w.r.writeClient(body)
	}
}

// catchUp lets what trails go.
func (w *wire) catchUp() {
	w.reply = append(w.reply, w.trail...)
	w.trails, w.trail = "", nil
}

// detach makes the read buffer another one than the message under judgement is in: that
// stays as it is.
func (w *wire) detach() {
	in := w.r.cin
	in.r += w.read
	w.read = 0
	if w.detached {
		return
	}
	w.detached = true
	rest := in.bytes()
	in.buf = make([]byte, max(bufferSize, len(rest)))
	in.r, in.w = 0, copy(in.buf, rest)
	in.settle()
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
	w.forwarded, w.mute, w.syncing = false, nil, true
	return true
}

// nothingLeft: the server has answered everything, and Receive has taken it.
func (w *wire) nothingLeft() bool {
	r := w.r
	if len(w.out) > 0 || w.long != nil || w.serverErr != nil || !w.owns() || len(r.sin.bytes()) > w.received {
		return false
	}
	w.drop()
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.cause == nil && r.serverErr == nil && r.answeredLocked()
}
