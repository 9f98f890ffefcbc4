package journal

import "context"

// Fleet is what a Journal that several proxies write at the same time offers
// besides. The one in PostgreSQL does, the embedded one does not.
type Fleet interface {
	// Identity is the journal's own, the same for all who open it, wherever it moves.
	Identity() string
	// Alive reports the proxies (Options.Proxy) that have the journal open now. One
	// that has lost its connection is missing: nothing may rest on that alone.
	Alive(ctx context.Context) (map[string]bool, error)
}
