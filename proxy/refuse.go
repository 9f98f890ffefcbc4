package proxy

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/budget"
)

// refusable reports whether err is for the client's message alone, and not its session.
func (r *relay) refusable(err error) bool {
	return errors.Is(err, budget.ErrFull) && r.judge != nil && !r.info.Replication && len(r.cin.bytes()) >= headerLen
}

// refuse has the client's next message, the first part of which is there, read to its end
// and refused, as a server does that has no room for it. What came before has gone.
func (r *relay) refuse(ctx context.Context, why error) error {
	typ := r.cin.bytes()[0]
	size, err := frameSize(r.cin.bytes(), r.srv.o.MaxMessage)
	if err != nil {
		return err
	}
	if err := r.cin.discard(size, r.cin.fill); err != nil {
		return clientRead(err)
	}
	r.end, r.asked = r.cin.r, false
	w := r.newWire(ctx)
	if err = r.refusal(ctx, w, typ); errors.Is(err, ErrCopyIn) { // there is no statement to fail
		err = why
	}
	return w.finish(err)
}

func (r *relay) refusal(ctx context.Context, w *wire, typ byte) (err error) {
	defer r.contain(&err)
	e := noRoom(nil).(*clientError)
	return r.judge.NoRoom(ctx, w, typ, &pgproto3.ErrorResponse{Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: e.code, Message: e.message, Hint: e.hint})
}
