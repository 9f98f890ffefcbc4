package guard

import (
	"context"
	"errors"
	"regexp"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/proxy"
)

// heldBind is a Bind in captured form that has not been sent yet: it goes with
// the Execute that mostly follows, in one exchange with the server. Whatever
// else the client sends, it goes first.
type heldBind struct {
	portal    *portal
	name      string
	params    []byte
	described bool // a Describe of the portal has followed, whose answer is NoData
	follows   bool // another one of its batch has made the captured form ready
	db        *database
}

func (h *heldBind) send(w proxy.Wire) {
	h.prepare(w)
	h.bind(w)
	w.Send('C', target('S', private)) // the portal lives on without it
}

// prepare makes the captured form ready to be bound.
func (h *heldBind) prepare(w proxy.Wire) {
	p := h.portal
	w.Send('D', target('S', brief(p.statement))) // fails if the client's own statement is gone
	w.Send('C', target('S', private))
	w.Send('P', parseBody(private, p.plan.captured.SQL, p.types))
}

func (h *heldBind) bind(w proxy.Wire) {
	p := h.portal
	w.Send('B', joinBind(h.name, private, h.params, p.plan.formats(p.st, p.formats)))
}

// receive reads the answers to send. errFailed: the server has refused it, and
// the client been told.
func (h *heldBind) receive(ctx context.Context, w proxy.Wire) error {
	if err := h.bound(ctx, w); err != nil {
		return err
	}
	return receiveClosed(ctx, w)
}

// bound reads up to the answer to bind.
func (h *heldBind) bound(ctx context.Context, w proxy.Wire) error {
	notices := own // of the text the server has told the client when that was parsed
	if h.follows {
		notices = logged
	}
	was := w.Mute(notices)
	defer w.Unmute(was)
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		switch typ {
		case '1':
			w.Unmute(was)
			w.Mute(logged)
		case '2':
			if err := w.Reply(typ, body); err != nil || !h.described {
				return err
			}
			return w.Reply('n', nil)
		case 'E':
			if err := w.Reply(typ, h.clientError(body)); err != nil {
				return err
			}
			return errFailed
		}
	}
}

// clientError is an error of the captured form's Bind as that of the client's
// own: of its statement, with its number of columns.
func (h *heldBind) clientError(body []byte) []byte {
	if h.portal.plan.misread(h.portal.st, body) {
		h.db.misread()
		return errorBody(changedError())
	}
	body = shiftPosition(body, -h.portal.plan.captured.Shift)
	var e pgproto3.ErrorResponse
	if errorCode(body) != "08P01" || e.Decode(body) != nil {
		return body
	}
	width, sent := h.portal.plan.captured.Width, strconv.Itoa(len(h.portal.plan.formats(h.portal.st, h.portal.formats)))
	switch numbers := digits.FindAllString(e.Message, -1); {
	case strings.Contains(e.Message, private): // too many parameters, or too few
		e.Message = strings.Replace(e.Message, private, h.portal.statement, 1)
	case len(numbers) == 2 && numbers[0] == sent && len(h.portal.formats) > 1: // result formats
		e.Message = digits.ReplaceAllStringFunc(e.Message, func(n string) string {
			v, _ := strconv.Atoi(n)
			return strconv.Itoa(v - width)
		})
	}
	return errorBody(&e)
}

var digits = regexp.MustCompile("[0-9]+")

// releaseBind sends a Bind that was held, unless the message is what it waits for.
func (s *session) releaseBind(ctx context.Context, w proxy.Wire, typ byte, body []byte) error {
	h := s.heldBind
	if h == nil {
		return nil
	}
	switch typ {
	case 'E':
		if name, rest, ok := cut(body); ok && len(rest) == 4 && string(short(name)) == short(h.name) {
			return nil
		}
	case 'D':
		if len(body) > 0 && body[0] == 'P' && !h.described && !h.portal.st.Returning {
			if _, name, ok := targetOf(body); ok && string(short(name)) == short(h.name) {
				return nil
			}
		}
	}
	s.heldBind = nil
	if failed, err := w.Quiesce(ctx); err != nil || failed {
		return err
	}
	if s.hazardBeside(h.portal) {
		return unlessFailed(s.bindReleased(ctx, w, h))
	}
	err := s.sendBind(ctx, w, h)
	if err == nil { // it waits in the server now
		s.open(w)
	}
	return unlessFailed(err)
}

// sendBind sends a Bind that was held, by itself.
func (s *session) sendBind(ctx context.Context, w proxy.Wire, h *heldBind) error {
	h.send(w)
	w.Send('H', nil)
	s.litter = true
	err := h.receive(ctx, w)
	if s.litter = err != nil; errors.Is(err, errServer) {
		return s.fault(w, err)
	}
	return err
}
