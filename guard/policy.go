package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// Mode is what happens over the limit.
type Mode string

const (
	Block Mode = "block" // the statement fails with RB001, its transaction is doomed
	Alert Mode = "alert" // it goes through, is journalled, and people are told
)

// Action is what happens to a statement that rowback cannot fully vouch for.
type Action string

const (
	Allow  Action = "allow"
	Refuse Action = "block"
)

// Policy is what a session may remove.
type Policy struct {
	Mode Mode
	// Limit is how many rows one statement, and one transaction, may remove,
	// cascades included.
	Limit int64
	// Uncaptured decides about removals within the limit whose keys could not be captured.
	Uncaptured Action
	// Uncountable decides about what cannot be counted before it commits (DROP
	// DATABASE, procedures that commit by themselves). Only in Block mode.
	Uncountable Action
}

// Options of a Judge. Journal is required.
type Options struct {
	Policy  Policy
	Journal journal.Journal
	Proxy   string // this proxy's instance id, for the entries
	Spill   string // directory for captured keys too many for memory; "" is os.TempDir()
	Alerts  *Alerts
	Metrics *Metrics
	Logger  *slog.Logger
	Now     func() time.Time
	// Control opens a connection of rowback's own to a database, for settling
	// entries in doubt; nil: it is left to the sessions. The returned function
	// closes it.
	Control func(ctx context.Context, database string) (catalog.Querier, func(), error)
	// Refresh is how often a database's catalog fingerprint is compared; default 5s.
	Refresh time.Duration
}
