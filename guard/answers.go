package guard

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/proxy"
)

// receive reads the statement's own answers.
func (r *run) receive(ctx context.Context) error {
	unmute := func() {}
	if r.rowdesc { // for a Query there would be neither Parse nor Bind
		was := r.w.Mute(logged)
		unmute = func() { r.w.Unmute(was) }
		defer unmute()
	}
	var step bindStep
	for {
		typ, body, err := r.w.Receive(ctx)
		if errors.Is(err, proxy.ErrRowLost) {
			r.lost = true
			continue
		}
		if err != nil {
			return err
		}
		if r.lost && (typ == 'D' || typ == 'd' || typ == 'c') { // it is refused
			continue
		}
		switch step.answered(typ); typ {
		case '1', '2', '3', 'n', 't':
			if typ == r.until {
				if err := r.w.Reply(typ, body); err != nil || r.closed == nil {
					return err
				}
				if err := r.closed(ctx); err != nil {
					return r.fault(err)
				}
				return nil
			}
			if typ == '2' {
				unmute()
			}
		case 'T':
			if r.fields, err = r.describe(body); err != nil {
				return err
			}
			if r.st.Streams {
				err = r.described()
			}
			if err != nil {
				return err
			}
		case 'D':
			if err := r.row(body); err != nil {
				return err
			}
		case 'C', 's', 'I':
			if !r.holds() {
				if err := r.described(); err != nil {
					return err
				}
			}
			r.end, r.tag = typ, append([]byte(nil), body...)
			if r.closed == nil {
				return nil
			}
			if err := r.closed(ctx); err != nil { // a cancel request came just then
				return r.fault(err)
			}
			return nil
		case 'E':
			r.end = 'E'
			r.s.epoch++ // in case the plan is out of date
			if err := r.s.tx.rewind(r.mark); err != nil {
				return err
			}
			switch {
			case r.deferred:
				body = withoutConstraints(body)
			case r.st.functionCall:
				body = withoutPortal(body)
			}
			if err := r.w.Reply('E', r.clientError(body)); err != nil {
				return err
			}
			return step.failed()
		case 'G':
			if err := r.w.Reply(typ, body); err != nil {
				return err
			}
			if err := r.w.CopyIn(ctx); err != nil {
				return err
			}
		default: // COPY out
			if err := r.w.Reply(typ, body); err != nil {
				return err
			}
		}
	}
}

// describe is the client's part of a RowDescription, nil if it is not to see one.
func (r *run) describe(body []byte) ([]byte, error) {
	switch {
	case !r.rowdesc, r.capturing() && !r.st.Returning:
		return nil, nil
	case !r.capturing():
		return append([]byte(nil), body...), nil
	case r.plan.captured.Wrapped:
		return r.plan.fields, nil
	}
	first, _, err := firstFields(body, r.plan.captured.Width)
	return first, err
}

// described sends the RowDescription held back; see Statement.Streams.
func (r *run) described() error {
	f := r.fields
	if r.fields = nil; f == nil {
		return nil
	}
	return r.w.Reply('T', f)
}

// row takes the captured columns off a row and passes on what is the client's.
func (r *run) row(body []byte) error {
	if !r.capturing() {
		return r.client(body)
	}
	cols, err := columnsIn(r.cols, body)
	if err != nil {
		return err
	}
	r.cols = cols
	own := len(cols) - r.plan.captured.Width
	if own < 0 {
		return fmt.Errorf("%w: %d columns of a captured row", errMalformed, len(cols))
	}
	n, err := r.capture(cols[own:])
	if err != nil {
		return err
	}
	if n == 0 && r.st.Returning {
		return r.client(firstColumns(cols, own))
	}
	return nil
}

// holds: the client's rows wait for the verdict, as those of a DELETE wait for
// its end in the server. A client may not bear rows before an error.
func (r *run) holds() bool {
	return r.capturing() && r.st.Returning && r.rows == nil && r.s.rules.sheet.Any(func(x *policy.Rule) bool { return refuses(x.Mode) })
}

// deliver gives the client the rows that were held.
func (r *run) deliver() error {
	if !r.holds() {
		return nil
	}
	if err := r.described(); err != nil {
		return err
	}
	for {
		row, ok, err := r.held.next()
		if err != nil || !ok {
			return err
		}
		if err := r.w.Reply('D', row); err != nil {
			return err
		}
	}
}

func (r *run) client(body []byte) error {
	if r.holds() {
		r.held.of = r.s.info.Memory
		return r.held.add(body)
	}
	if err := r.described(); err != nil {
		return err
	}
	if r.rows != nil {
		return r.rows(body)
	}
	return r.w.Reply('D', body)
}

// clientError is an error of the captured form as that of the client's own
// statement.
func (r *run) clientError(body []byte) []byte {
	if r.released != nil {
		return r.released.clientError(body)
	}
	if r.capturing() && r.plan.misread(r.st, body) {
		r.s.db.misread()
		return errorBody(changedError())
	}
	body = shiftPosition(body, r.shift)
	if r.capturing() && r.plan.captured.Wrapped {
		body = asDelete(body)
	}
	return body
}

// commandTag is what the client's own statement would have answered.
func (r *run) commandTag() string {
	if r.capturing() && r.plan.captured.Wrapped {
		return fmt.Sprintf("DELETE %d", r.direct)
	}
	return strings.TrimSuffix(string(r.tag), "\x00")
}

// bindStep is how far a statement has come: 0, '1' (parsed) or '2' (bound).
type bindStep byte

func (b *bindStep) answered(typ byte) {
	if typ == '1' || typ == '2' {
		*b = bindStep(typ)
	}
}

func (b bindStep) failed() error {
	if b == '1' {
		return errUnbound
	}
	return errFailed
}
