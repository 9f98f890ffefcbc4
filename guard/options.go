package guard

import (
	"context"
	"log/slog"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/journal"
)

// Options of a Judge. Journal is required.
type Options struct {
	Policy  policy.Policy
	Journal journal.Journal
	Proxy   string // this proxy's instance id, for the entries
	// JournalName is what package protect knows the journal by; nil: Proxy. "": it is
	// not known yet.
	JournalName func() string
	Spill       string // directory for captured keys too many for memory; "" is os.TempDir()
	// Memory is what captured keys and images take before they go to files; nil: any
	// amount. Messages and rows take from proxy.Info's, which is of the same budget.
	Memory  *budget.Budget
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
