package journal

import (
	"context"
	"errors"
	"iter"
	"time"
)

var (
	// ErrNotFound: nothing of its kind has this ID or prefix.
	ErrNotFound = errors.New("no such journal entry")
	// ErrAmbiguous: several of its kind have this prefix.
	ErrAmbiguous = errors.New("several journal entries start with this ID")
	// ErrInUse: another proxy writes this journal.
	ErrInUse = errors.New("journal is in use by another proxy")
)

// Filter selects entries; zero fields select everything.
type Filter struct {
	ID                                 string    // whole ID or unique prefix
	Since, Until                       time.Time // both included
	Table                              string    // name, or schema.name
	User, Database, Application, Proxy string
	Kind                               Kind
	Outcome                            Outcome
	MinRows                            int64
}

// Journal stores entries. Every implementation passes the suite in
// journal/journaltest. All methods are safe for concurrent use.
type Journal interface {
	Approvals
	// Append stores e and the rows and images of keys (nil: none) and returns when both
	// are durable, or an error and nothing is stored. It sets nothing in e:
	// the caller gave ID and Time (see NewID). keys stays the caller's. Once
	// writing has begun, cancelling ctx no longer stops it; its deadline may, and
	// then it may be stored all the same.
	Append(ctx context.Context, e *Entry, keys *Keys) error
	// Gather makes an empty gathering of keys and images that spills to dir ("":
	// os.TempDir()), for this journal: with its key images are encrypted before
	// they leave memory. The caller closes it.
	Gather(dir string) *Keys
	// Settle records how an entry's transaction ended. Settling an entry that
	// is not InDoubt is an error unless the outcome is the same. The outcome
	// survives the end of the process, but is made durable only by the next
	// Append or Ping: without it the entry is as after a crash, in doubt.
	Settle(ctx context.Context, id string, o Outcome) error
	// Prepared records that the server of an entry that is InDoubt has its
	// transaction prepared; s takes the place of Entry.Server. Of another entry it is
	// ErrSettled. It is as durable as an outcome.
	Prepared(ctx context.Context, id string, s Server) error
	// Entry returns the one entry with this ID or unique prefix.
	Entry(ctx context.Context, id string) (*Entry, error)
	// Entries yields the selected entries, newest first. Entries appended
	// meanwhile may be missing. Appending and reading inside the loop is fine.
	Entries(ctx context.Context, f Filter) iter.Seq2[*Entry, error]
	// Rows yields every captured row of an entry, grouped by nothing, in the
	// order of capture. Constant memory.
	Rows(ctx context.Context, id string) iter.Seq2[Row, error]
	// Images yields the image of every row of an entry that has one, in the order
	// of capture, each in memory of its own: that of one image and a block is all
	// that is held. ErrSealed: they need another key, or one.
	Images(ctx context.Context, id string) iter.Seq2[Image, error]
	// Ping makes a write durable that changes nothing, to tell whether Append could.
	Ping(ctx context.Context) error
	Close() error
}
