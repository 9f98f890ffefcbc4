package guard

import (
	"context"

	"github.com/rowback/rowback/journal"
)

// Beside tells that another process writes this proxy's own journal from now on,
// too: the one before it, or after it. As long as it does, windows count what that
// removes as the journal shows it, within Options.Refresh.
func (j *Judge) Beside(ctx context.Context) error {
	j.beside.Store(true)
	return j.recount(ctx)
}

// Inherit tells that the processes before this one have ended. What they left in
// doubt is taken into care.
func (j *Judge) Inherit(ctx context.Context) error {
	j.beside.Store(false)
	if err := j.recount(ctx); err != nil {
		return err
	}
	return j.doubt(ctx, journal.Deletion)
}

// recount reads anew what was removed lately; a shared journal counts itself.
func (j *Judge) recount(ctx context.Context) error {
	if j.fleet != nil {
		return nil
	}
	return j.windows.replay(ctx, j.o.Journal, j.rules.Load(), j.o.Now())
}
