package guard

import (
	"context"
	"time"

	"github.com/rowback/rowback/journal"
)

// others is how old an entry in doubt is before this proxy looks after it though
// it is under way here, or in another proxy that lives: that one may have failed to
// store its outcome, or may not know that it was stored.
const others = 15 * time.Second

// cares says which entries in doubt this proxy settles. Whose transaction is still
// open is safe in anybody's care: the server says so. It is left out because its
// own proxy is about to know.
func (j *Judge) cares(ctx context.Context) (func(*journal.Entry) bool, error) {
	if j.fleet == nil {
		return func(*journal.Entry) bool { return true }, nil
	}
	alive, err := j.fleet.Alive(ctx)
	if err != nil {
		return nil, err
	}
	now := j.o.Now()
	return func(e *journal.Entry) bool {
		if here := j.database(e.Database).server.get(); here != "" && e.Server.SystemID != "" && here != e.Server.SystemID {
			return false
		}
		return e.Kind == journal.Restore || !alive[e.Proxy] && e.Proxy != j.o.Proxy || now.Sub(e.Time) > others
	}, nil
}

// keepFleet does what is to be done now and then where several proxies share the journal.
func (j *Judge) keepFleet(ctx context.Context) {
	if j.fleet == nil {
		return
	}
	err := j.doubt(ctx, journal.Deletion)
	if err == nil {
		err = j.windows.fleet.keep(ctx)
	}
	if err == nil {
		err = j.keepHolds(ctx)
	}
	if err != nil && ctx.Err() == nil {
		j.o.Logger.Warn("what other proxies have left cannot be looked after", "error", err)
	}
}
