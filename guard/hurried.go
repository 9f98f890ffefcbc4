package guard

import (
	"context"
	"iter"
	"time"

	"github.com/rowback/rowback/journal"
)

// hurry is how long a session that settles waits for the journal.
const hurry = time.Second

// hurried is a journal that a settler waits for until then.
type hurried struct {
	journal.Journal
	until time.Time
}

func (j hurried) Entry(ctx context.Context, id string) (*journal.Entry, error) {
	ctx, cancel := context.WithDeadline(ctx, j.until)
	defer cancel()
	e, err := j.Journal.Entry(ctx, id)
	return e, overdue(ctx, err)
}

func (j hurried) Entries(ctx context.Context, f journal.Filter) iter.Seq2[*journal.Entry, error] {
	return func(yield func(*journal.Entry, error) bool) {
		ctx, cancel := context.WithDeadline(ctx, j.until)
		defer cancel()
		j.Journal.Entries(ctx, f)(func(e *journal.Entry, err error) bool { return yield(e, overdue(ctx, err)) })
	}
}

func (j hurried) Rows(ctx context.Context, id string) iter.Seq2[journal.Row, error] {
	return func(yield func(journal.Row, error) bool) {
		ctx, cancel := context.WithDeadline(ctx, j.until)
		defer cancel()
		j.Journal.Rows(ctx, id)(func(r journal.Row, err error) bool { return yield(r, overdue(ctx, err)) })
	}
}

func (j hurried) Settle(ctx context.Context, id string, o journal.Outcome) error {
	ctx, cancel := context.WithDeadline(ctx, j.until)
	defer cancel()
	return overdue(ctx, j.Journal.Settle(ctx, id, o))
}

func (j hurried) Prepared(ctx context.Context, id string, s journal.Server) error {
	ctx, cancel := context.WithDeadline(ctx, j.until)
	defer cancel()
	return overdue(ctx, j.Journal.Prepared(ctx, id, s))
}

// overdue is an error in the words of ctx, if that is why.
func overdue(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
