package proxy

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgproto3"
)

// roomy is a part of Sessions that do not refuse.
type roomy struct{}

func (roomy) NoRoom(context.Context, Wire, byte, *pgproto3.ErrorResponse) error {
	return errors.New("there was room")
}

// judgeFunc is a Judge whose Sessions want every message and handle it so.
type judgeFunc func(ctx context.Context, w Wire, typ byte, body []byte) error

func (f judgeFunc) Session(context.Context, *Info) Session { return session{do: f} }

type session struct {
	roomy
	do judgeFunc
}

func (session) Wants(byte, []byte) bool { return true }
func (session) Close()                  {}
func (s session) Message(ctx context.Context, w Wire, typ byte, body []byte) error {
	return s.do(ctx, w, typ, body)
}

func quiesceAndForward(ctx context.Context, w Wire, _ byte, _ []byte) error {
	if _, err := w.Quiesce(ctx); err != nil {
		return err
	}
	w.Forward()
	return nil
}

// exchangeAndForward runs a statement of its own before each Query and Parse
// that comes outside of a failed transaction.
func exchangeAndForward(ctx context.Context, w Wire, typ byte, _ []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if (typ == 'Q' || typ == 'P') && !failed && w.TxStatus() != 'E' {
		w.Send('P', []byte("rowback\x00SELECT 7\x00\x00\x00"))
		w.Send('B', []byte("rowback\x00rowback\x00\x00\x00\x00\x00\x00\x00"))
		w.Send('E', []byte("rowback\x00\x00\x00\x00\x00"))
		w.Send('C', []byte("Srowback\x00"))
		// Nothing of it may end the client's transaction: a Sync only where there is none.
		// Without one a Query leaves its own open, since PostgreSQL 18.
		end, answers := byte('H'), "12DC3"
		if typ == 'Q' && w.TxStatus() == 'I' && !w.Ignored() {
			end, answers = 'S', "12DC3Z"
		}
		w.Send(end, nil)
		for _, want := range answers {
			typ, body, err := w.Receive(ctx)
			if err != nil {
				return err
			}
			if typ != byte(want) {
				return fmt.Errorf("got %q, wanted %q: %q", typ, want, body)
			}
		}
	}
	w.Forward()
	return nil
}
