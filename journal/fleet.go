package journal

import (
	"context"
	"time"
)

// Fleet is what a Journal that several proxies write at the same time offers
// besides. The one in PostgreSQL does, the embedded one does not.
type Fleet interface {
	// Identity is the journal's own, the same for all who open it, wherever it moves.
	Identity() string
	// Alive reports the proxies (Options.Proxy) that have the journal open now. One
	// that has lost its connection is missing: nothing may rest on that alone.
	Alive(ctx context.Context) (map[string]bool, error)

	// Count sets how many rows the transaction known as tx has removed in each of
	// the counts, in place of what it had there before, and returns for each, in
	// order, how many all transactions have: those under way, and those that ended
	// within Per. Of two at the same time one sees the other. A sum is never too
	// low, but by what a crash of the journal's server takes of those under way.
	Count(ctx context.Context, tx string, counts []Count) (sums []int64, err error)
	// EndCount takes a transaction out; committed: from now on its rows count for Per.
	EndCount(ctx context.Context, tx string, committed bool) error
	// Recount makes what the given rules have of the past what read returns: it was
	// not counted by them, or by others. What ends meanwhile is kept.
	Recount(ctx context.Context, rules []string, read func() ([]PastCount, error)) error
	// KeepCounts ends, as committed, what this proxy has under way but for active,
	// and what proxies that are not alive have; and forgets what counts no more. To
	// be called now and then.
	KeepCounts(ctx context.Context, active []string) error
}

// Count is a part of what a transaction has removed: the rows that count for one
// window of a rule, in one combination of what that counts apart by.
type Count struct {
	Rule, Key string
	Per       time.Duration
	Rows      int64
}

// PastCount is one of a transaction that ended at a time.
type PastCount struct {
	Count
	At time.Time
}
