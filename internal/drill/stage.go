package drill

import "context"

// stage is where a drill plays: a recovery database, and a copy of it that is
// production until the round has ended.
type stage interface {
	recovery() string   // URL of the recovery database, which is only read
	production() string // URL of the copy
	// reset makes production what the recovery database is.
	reset(ctx context.Context) error
	// crash ends all that runs in production at once, as a failure would; kills
	// is what that is called.
	crash(ctx context.Context) error
	kills() string
	// standUp makes production answer again.
	standUp(ctx context.Context) error
	// close leaves nothing behind.
	close() error
}
