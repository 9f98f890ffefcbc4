package proxy

import (
	"bytes"
	"errors"

	"github.com/rowback/rowback/internal/budget"
)

// maxParameter bounds a ParameterStatus that is kept.
const maxParameter = 256 << 10

// serverScan follows the frames in what the server sends. It does no I/O.
type serverScan struct {
	max  int
	skip int // bytes of a message begun that are still to come
	// fatal: the last message said that the server ends the session.
	fatal bool
	said  error // what it said, if fatal
}

// cut reports whether the client has got only a part of a message.
func (s *serverScan) cut() bool { return s.skip > 0 }

// next looks at the message at the start of b. It returns how many bytes can go
// on to the client as they are; 0 if more must be read first. body is the
// message's payload, or the part of it that is here; typ is 0 where b goes on
// with a message seen before.
func (s *serverScan) next(b []byte) (n int, typ byte, body []byte, err error) {
	if s.skip > 0 {
		n = min(s.skip, len(b))
		s.skip -= n
		return n, 0, nil, nil
	}
	if len(b) < headerLen {
		return 0, 0, nil, nil
	}
	typ = b[0]
	size, err := frameSize(b, s.max)
	if err != nil {
		return 0, 0, nil, err
	}
	need := headerLen
	switch typ {
	case 'S':
		need = maxParameter
	case 'Z', 'K', 'E':
		need = lookSize
	}
	if len(b) < min(size, need) {
		return 0, 0, nil, nil
	}
	n = min(size, len(b))
	s.skip = size - n
	body = b[headerLen:n]
	if s.fatal = typ == 'E' && isFatal(body); s.fatal {
		s.said = serverSaid(body)
	}
	return n, typ, body, nil
}

// relayServer forwards what the server sends until the session ends.
func (r *relay) relayServer() error { return r.relayAnswers(r.scanServer()) }

// relayAnswers goes on from what scanServer said. On a loop it returns
// errResting when there is nothing to do.
func (r *relay) relayAnswers(n int, err error) error {
	for {
		if n > 0 {
			writeErr := r.writeClient(r.sin.buf[r.sin.r : r.sin.r+n])
			r.sin.r += n
			r.relayed()
			if writeErr != nil {
				err = errors.Join(err, writeErr)
			}
		}
		if err != nil && err != errHeld {
			return r.serverEnded(err)
		}
		n = 0
		switch err = r.nextRead(r.sin, &r.toClient); err {
		case nil, errAgain:
			n, err = r.scanServer()
		case errResting:
			return err
		default:
			err = errors.Join(errServerGone, err)
		}
	}
}

// greet forwards what the server sends up to its first ReadyForQuery.
func (r *relay) greet() error {
	for {
		n, err := r.scanServer()
		if moved := r.moved(); moved != nil {
			return moved
		}
		if n > 0 {
			err = errors.Join(err, r.passToClient(n))
			r.relayed()
		}
		if err == nil && !r.isReady() {
			if err = r.sin.fill(); err != nil {
				err = errors.Join(errServerGone, err)
			}
		}
		if err != nil {
			return r.serverEnded(err)
		}
		if r.isReady() {
			return nil
		}
	}
}

// scanServer takes note of all that is in the buffer, and returns how much of
// it goes to the client. While a Session has the server's messages it waits; on
// a loop it returns errHeld.
func (r *relay) scanServer() (n int, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.held && r.cause == nil {
		if r.loop != nil {
			r.toClient.unseen = true
			return 0, errHeld
		}
		r.parked = true
		r.cond.Broadcast()
		r.cond.Wait()
	}
	r.parked, r.toClient.unseen = false, false
	if r.cause != nil || r.serverErr != nil {
		return 0, errors.Join(r.serverErr, errEnded)
	}
	b := r.sin.bytes()
	defer func() { r.relaying = n > 0 }()
	for n < len(b) {
		m, typ, body, err := r.scan.next(b[n:])
		if err != nil {
			return n, err
		}
		if m == 0 {
			break
		}
		r.notice(typ, body)
		n += m
	}
	return n, nil
}

// notice takes note of one message of the server. mu is held.
func (r *relay) notice(typ byte, body []byte) {
	var status byte
	if len(body) > 0 {
		status = body[0]
	}
	r.pend.answer(typ, status)
	switch {
	case typ == 'S':
		r.noticeParameter(body)
	case typ == 'K' && !r.ready:
		key := string(body)
		r.srv.keys.add(key, r)
		r.keys = append(r.keys, key)
		r.info.CancelKey = keyDigest(body)
	case typ == 'Z' && !r.ready:
		r.setReadyLocked()
	case typ == 'Z' && status == 'I' && r.onIdle != nil:
		r.onIdle()
		r.onIdle = nil
	}
}

// noticeParameter keeps a ParameterStatus. A value too long to keep is unknown.
func (r *relay) noticeParameter(body []byte) {
	name, value, ok := bytes.Cut(body, []byte{0})
	switch {
	case !ok:
	case r.scan.cut() || len(body) > maxParameter:
		r.params = r.params.without(string(name))
	default:
		r.params = r.params.with(string(name), string(bytes.TrimSuffix(value, []byte{0})))
	}
}

// relayed: what scanServer took note of has gone to the client.
func (r *relay) relayed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.relaying = false
	r.checkDrainLocked()
	r.cond.Broadcast()
}

// serverEnded makes a server's end known to a Session that waits for messages.
func (r *relay) serverEnded(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.scan.cut() {
		r.clientBad = true
	}
	if r.scan.fatal {
		err = errors.Join(r.scan.said, err)
	}
	r.serverErr, r.relaying = err, false
	r.cond.Broadcast()
	return err
}

func (r *relay) writeClient(b []byte) error {
	for len(b) > 0 {
		part := b
		if r.info.Memory.Holds() { // how far it has got is to be seen
			part = b[:min(len(b), bufferSize)]
		}
		r.info.Memory.Waits(budget.Read)
		n, err := r.client.Write(part)
		r.info.Memory.Moves(budget.Read, n)
		if err != nil {
			return r.clientLost(err)
		}
		b = b[n:]
	}
	return nil
}

// clientLost: a write to the client has failed.
func (r *relay) clientLost(err error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clientBad = true
	return errors.Join(errClientGone, err)
}
