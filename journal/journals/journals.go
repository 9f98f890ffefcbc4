// Package journals opens a journal of either kind by its location: a directory
// (package journal) or a postgres URL (package pgjournal).
package journals

import (
	"context"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/pgjournal"
)

// Name is a location for people: of a URL its hosts and database, no more.
func Name(location string) string {
	if pgjournal.IsURL(location) {
		return pgjournal.Name(location)
	}
	return location
}

// Open opens the journal at location. See journal.Open and pgjournal.Open.
func Open(ctx context.Context, location string, o journal.Options) (journal.Journal, error) {
	if pgjournal.IsURL(location) {
		return pgjournal.Open(ctx, location, o)
	}
	return journal.Open(ctx, location, o)
}
