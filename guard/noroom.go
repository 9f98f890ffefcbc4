package guard

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/proxy"
)

// What reading a long message takes beside itself, in times its length: a query's tree, and
// what is made of it; the copies of a Bind's parameters.
const (
	queryTakes = 10
	bindTakes  = 3
)

// errImplicit: a Query was refused that would have ended an implicit transaction in which
// rows were removed. The session ends, and that is taken back.
var errImplicit = fmt.Errorf("a Query that would have ended a transaction: %w", budget.ErrFull)

func noRoomError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "53200",
		Message: "out of memory: rowback has no room to judge this statement now",
		Detail:  "Nothing was removed.",
		Hint:    "Others may use what there is: try again later. Or send less at a time, or raise the proxy's max-memory.",
	}
}

// NoRoom implements proxy.Session.
func (s *session) NoRoom(ctx context.Context, w proxy.Wire, typ byte, e *pgproto3.ErrorResponse) error {
	query := typ == 'Q' || typ == 'F'
	if query {
		s.Wants('Q', nil)
	} else { // a Describe changes nothing
		s.Wants('D', nil)
	}
	s.introduce(w)
	if err := s.releaseBind(ctx, w, 'S', nil); err != nil {
		return err
	}
	return s.fails(ctx, w, query, e)
}

// fails refuses the message under judgement with e; query: it would have ended with
// ReadyForQuery.
func (s *session) fails(ctx context.Context, w proxy.Wire, query bool, e *pgproto3.ErrorResponse) error {
	failed, err := w.Quiesce(ctx)
	if err != nil || failed { // then the server would have passed it over
		return err
	}
	if query && s.tx != nil && s.tx.implicit {
		return errImplicit
	}
	if err = s.refuse(ctx, w, e); errors.Is(err, errFailed) && query {
		return s.syncFailed(ctx, w)
	}
	return unlessFailed(err)
}

// reckon takes of the budget what a long message takes beside itself; unreckon gives
// that back.
func (s *session) reckon(typ byte, body []byte) error {
	m := s.j.o.Memory
	if m == nil || len(body) <= budget.Floor {
		return nil
	}
	takes := int64(0)
	switch typ {
	case 'B':
		takes = bindTakes
	case 'P':
		_, body, _ = cut(body)
		fallthrough
	case 'Q':
		if s.view == nil || s.interesting(body) {
			takes = queryTakes
		}
	}
	takes *= int64(len(body))
	patience := budget.Patience
	if err := m.Take(takes, 0, &patience); err != nil {
		return err
	}
	s.reckoned += takes
	return nil
}

// unreckon is when a message has been handled; a Bind that is held may go on.
func (s *session) unreckon() {
	if s.reckoned > 0 && s.heldBind == nil {
		s.j.o.Memory.Give(s.reckoned)
		s.reckoned = 0
	}
}
