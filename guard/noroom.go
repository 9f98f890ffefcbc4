package guard

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/proxy"
)

// What reading a long message takes beside itself, in times its length: the copies of a
// query's text, and of a Bind's parameters. A query's tree, in the parser and here, has a part for
// each of its words, and what is known of each statement stays until it has run.
const (
	queryTakes     = 10
	wordTakes      = 300
	statementTakes = 1 << 10
	bindTakes      = 3
)

const (
	// weighed is from what length on a query's words are counted, and light what of its
	// weight takes nothing: a short one may be all words.
	weighed = 8 << 10
	light   = 1 << 20
)

// errImplicit: a Query was refused that would have ended an implicit transaction in which
// rows were removed. The session ends, and that is taken back.
var errImplicit = fmt.Errorf("a Query that would have ended a transaction: %w", budget.ErrFull)

func noRoomError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "53200",
		Message: "out of memory: rowback has no room to judge this statement now",
		Detail:  "Nothing was removed.",
		Hint:    budget.Hint,
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
	m := s.info.Memory
	if m == nil || len(body) <= weighed {
		return nil
	}
	takes, has := int64(0), budget.Beyond(len(body)) // where it was read into
	switch typ {
	case 'B':
		if len(body) > budget.Floor {
			takes = bindTakes * int64(len(body))
		}
	case 'P':
		_, body, _ = cut(body)
		fallthrough
	case 'Q':
		if s.view == nil || s.interesting(body) {
			takes = weight(body)
		}
		if takes <= light && has == 0 {
			takes = 0
		}
		// One that is alone may have most of the two thirds of max-memory that are for all else,
		// too: it gives most of that back soon. A quarter of the budget is left to others;
		// what it was read into may be twice as long as it is.
		if most := m.Limit() / 4 * 3; takes > most-2*has && takes <= 3*(most-has) {
			takes = max(most-2*has, 0)
		}
	}
	patience := budget.Patience
	if err := m.Take(takes, has, &patience); err != nil {
		return err
	}
	s.reckoned += takes
	if typ != 'B' {
		s.parsing = takes
	}
	return nil
}

// parsed gives back what a query's tree took. A long statement that is judged is parsed again.
func (s *session) parsed(text []byte, a *analysis) {
	if s.parsing == 0 {
		return
	}
	keeps := queryTakes*int64(len(text)) + statementTakes*int64(len(a.stmts))
	longest := 0
	for _, st := range a.stmts {
		if st.route != routePlain && len(st.Text) > max(longest, budget.Floor) {
			longest = len(st.Text)
			keeps = max(keeps, weight([]byte(st.Text)))
		}
	}
	if more := s.parsing - keeps; more > 0 {
		s.info.Memory.Give(more)
		s.reckoned -= more
	}
	s.parsing = 0
}

// weight is about how many bytes reading a query takes beside itself.
func weight(text []byte) int64 {
	n := queryTakes * int64(len(text))
	word := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '\'': // a literal is one word
			if end := bytes.IndexByte(text[i+1:], '\''); end >= 0 {
				i += 1 + end
			} else {
				i = len(text)
			}
			n, word = n+wordTakes, false
		case c|0x20 >= 'a' && c|0x20 <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '.' || c == '"' || c >= 0x80:
			if !word {
				n += wordTakes
			}
			word = true
		default:
			if word = false; c > ' ' {
				n += wordTakes
			}
		}
	}
	return n
}

// unreckon is when a message has been handled; a Bind that is held may go on.
func (s *session) unreckon() {
	if s.reckoned > 0 && s.heldBind == nil {
		s.info.Memory.Give(s.reckoned)
		s.reckoned, s.parsing = 0, 0
	}
}
