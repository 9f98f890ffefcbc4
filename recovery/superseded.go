package recovery

import (
	"context"
	"slices"

	"github.com/rowback/rowback/journal"
)

// Superseded: e was made before a statement that commits by itself, in case nobody would
// see how that ends. It ended well, and what it removed has an entry of its own.
func Superseded(e *journal.Entry) bool {
	return Unnumbered(e) && e.Outcome == journal.RolledBack && e.XID == "" && e.Dropped == ""
}

// SupersededBy is the entry with what the statement of e removed; nil: it removed no
// row, as far as the journal has it.
func SupersededBy(ctx context.Context, j journal.Journal, e *journal.Entry) (by *journal.Entry, err error) {
	f := journal.Filter{Since: e.Time, Kind: journal.Deletion, Database: e.Database, User: e.User}
	for x, err := range j.Entries(ctx, f) { // newest first
		switch {
		case err != nil:
			return nil, err
		case x.ID <= e.ID || x.Client != e.Client || x.Proxy != e.Proxy || len(e.Statements) == 0:
		case !slices.ContainsFunc(x.Statements, func(s journal.Statement) bool { return s.SQL == e.Statements[0].SQL }):
		case Superseded(x): // what follows is of a later run
			by = nil
		default:
			by = x
		}
	}
	return by, nil
}

// supersededText says why e holds no rows to bring back.
func supersededText(ctx context.Context, j journal.Journal, e *journal.Entry) (string, error) {
	by, err := SupersededBy(ctx, j, e)
	if err != nil {
		return "", err
	}
	if by == nil {
		return "nothing to restore: the statement of " + e.ID + " commits by itself; it ended well, and no removal of it is on record", nil
	}
	return "nothing to restore: what " + e.ID + " removed, which commits by itself, has an entry of its own: name " + by.ID, nil
}
