package recovery

import (
	"context"
	"time"

	"github.com/rowback/rowback/journal"
)

// Options of one restore.
type Options struct {
	Production string          // where rows go: a postgres URL or keyword string
	Recovery   string          // where rows come from that the journal has no image of; only read. "": nowhere
	Journal    journal.Journal // takes the evidence of the restore
	Source     *Source         // which rows

	Config      *Config     // nil: none
	NoImages    bool        // take every row from the recovery database
	WithParents bool        // also bring back parents that are gone and were not part of the deletion
	OnDifferent OnDifferent // "": ReportDifferent
	Partial     bool        // rows whose keys were not captured are listed; without, an entry that has such is refused
	DryRun      bool        // stop before the first write
	// Batch: 0 restores in one transaction. Else a transaction for each step of
	// the plan's order, and for a table of more rows than this several.
	Batch       int64
	LockTimeout time.Duration // longest wait for a lock on production; 0: 5 s
	Progress    *Progress     // nil: silent

	// Confirm is shown the plan before anything is written; nil: go ahead.
	Confirm func(context.Context, *Plan) (bool, error)
}

// OnDifferent says what rows are worth that are in production with other
// values now. They are left as they are in any case.
type OnDifferent string

const (
	ReportDifferent OnDifferent = "report" // listed as not restored
	SkipDifferent   OnDifferent = "skip"   // counted only: the restore is complete without them
	FailDifferent   OnDifferent = "fail"   // nothing is written if there is one
)

// tries of the writing transaction after deadlocks and races.
const tries = 5

func (o Options) config() *Config {
	if o.Config == nil {
		return &Config{}
	}
	return o.Config
}

func (o Options) lockTimeout() time.Duration {
	if o.LockTimeout > 0 {
		return o.LockTimeout
	}
	return 5 * time.Second
}

// milliseconds are those of d, at least one: 0 is no limit at all to the server.
func milliseconds(d time.Duration) int64 {
	return max((d + time.Millisecond - 1).Milliseconds(), 1)
}
