package main

import (
	"context"
	"os"
	"path/filepath"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// openJournal opens the journal of the settings, of either kind.
func (s *settings) openJournal(ctx context.Context, o journal.Options) (journal.Journal, error) {
	return journals.Open(ctx, s.Journal, o)
}

// journalName is what package protect knows a journal by: a shared one by its
// identity, whoever opens it; a directory by host, since a path alone may be
// another one elsewhere. "": a shared one that is not open yet.
func (s *settings) journalName(j journal.Journal) string {
	if shared, ok := j.(journal.Fleet); ok {
		if id := shared.Identity(); id != "" {
			return "shared:" + id
		}
		return ""
	}
	host, _ := os.Hostname()
	dir := s.Journal
	if abs, err := filepath.Abs(dir); err == nil {
		dir = abs
	}
	return host + ":" + dir
}
