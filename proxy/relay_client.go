package proxy

import (
	"context"
	"errors"
	"fmt"
)

// relayClient forwards what the client sends, in runs of whole reads where no
// message needs a look, until the session ends.
func (r *relay) relayClient(ctx context.Context) error {
	if err := r.startup(); err != nil {
		return err
	}
	if err := r.waitReady(); err != nil {
		return err
	}
	r.begin(ctx)
	size, err := r.scanClient()
	return r.relayMessages(ctx, size, err)
}

// judged reports whether the session is to have a judge.
func (r *relay) judged() bool { return r.srv.o.Judge != nil && !r.physical }

// begin makes the session's judge.
func (r *relay) begin(ctx context.Context) {
	if r.judge == nil && r.judged() {
		r.judge = r.srv.o.Judge.Session(ctx, &r.info)
	}
}

// relayMessages goes on from what scanClient said. On a loop it returns
// errResting when there is nothing to do.
func (r *relay) relayMessages(ctx context.Context, size int, err error) error {
	for {
		switch {
		case err != nil:
			return errors.Join(err, r.flushRun())
		case size > 0:
			if err := r.message(ctx, size); err != nil {
				return err
			}
			size, err = r.scanClient()
			continue
		}
		if err := r.flushRun(); err != nil {
			return err
		}
		if r.terminated && r.skip == 0 {
			return errTerminated
		}
		if err = r.nextRead(r.cin, &r.toServer); err == errResting {
			return err // what is read is somebody else's now
		}
		r.end = r.cin.r
		switch err {
		case nil:
			r.begin(ctx)
			size, err = r.scanClient()
		case errAgain:
			err = nil
		default:
			if err = clientRead(err); r.refusable(err) {
				if err = r.refuse(ctx, err); err == nil {
					size, err = r.scanClient()
				}
			}
		}
	}
}

// startup forwards what the client sends before the server is ready for
// queries: further tokens of a GSSAPI or SSPI exchange. It returns at the first
// other message.
func (r *relay) startup() error {
	for {
		switch b := r.cin.bytes(); {
		case len(b) == 0:
			if err := r.cin.fill(); err != nil {
				return clientRead(err)
			}
			continue
		case b[0] != 'p' || r.isReady():
			r.end = r.cin.r
			return nil
		}
		_, _, size, err := r.cin.frame(maxAuthMessage)
		if err != nil {
			return clientRead(err)
		}
		r.end = r.cin.r + size
		if err := r.flushRun(); err != nil {
			return err
		}
	}
}

func (r *relay) wants(typ byte, body []byte) (is bool, err error) {
	defer r.contain(&err)
	return r.judge.Wants(typ, body), nil
}

// scanClient extends the run over messages that need no look. It stops where
// more must be read (0), or in front of a message for the Session (its size).
func (r *relay) scanClient() (int, error) {
	for {
		b := r.cin.buf[r.end:r.cin.w]
		if n := min(r.skip, len(b)); n > 0 {
			r.skip -= n
			r.end += n
			continue
		}
		if len(b) < headerLen || r.terminated {
			return 0, nil
		}
		typ := b[0]
		if !clientTypes[typ] {
			return 0, invalidType(typ)
		}
		size, err := frameSize(b, r.srv.o.MaxMessage)
		if err != nil {
			return 0, err
		}
		if r.judge != nil && judgedTypes[typ] {
			need := size
			if typ != 'Q' && typ != 'P' && !r.asked {
				need = min(size, lookSize)
			}
			if len(b) < need {
				r.cin.need = need
				return 0, nil
			}
			wanted := r.asked
			if !wanted {
				if wanted, err = r.wants(typ, b[headerLen:min(size, len(b))]); err != nil {
					return 0, err
				}
			}
			if wanted {
				if r.asked = len(b) < size; r.asked {
					r.cin.need = size
					return 0, nil
				}
				return size, nil
			}
		}
		r.types = append(r.types, typ)
		r.terminated = typ == 'X'
		n := min(size, len(b))
		r.end += n
		r.skip = size - n
	}
}

func invalidType(typ byte) error {
	return protocolError(fmt.Sprintf("invalid frontend message type %d", typ))
}

// flushRun writes the run to the server.
func (r *relay) flushRun() error {
	run := r.cin.buf[r.cin.r:r.end]
	if len(run) == 0 {
		return nil
	}
	if err := r.note(r.types...); err != nil {
		return err
	}
	r.types = r.types[:0]
	r.cin.r = r.end
	return r.writeServer(run)
}

func (r *relay) writeServer(b []byte) error {
	if _, err := r.server.Write(b); err != nil {
		return errors.Join(errServerGone, err)
	}
	return nil
}
