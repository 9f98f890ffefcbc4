package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// leaveOthers leaves out what was deleted on other servers than production's, whose
// databases may have the same name: rows that went lawfully here would come back for
// it. An entry that was asked for by its ID stays: production may have been made anew.
func (r *restore) leaveOthers(ctx context.Context) error {
	here, err := r.production.system(ctx)
	if err != nil {
		return err
	}
	var others []string
	for _, e := range slices.Concat(r.o.Source.of, r.o.Source.bare) {
		if elsewhere(e, here) && !slices.Contains(others, e.ID) {
			others = append(others, e.ID)
		}
	}
	if len(others) == 0 {
		return nil
	}
	const was = "the deletion was on another server than production's (another one, or production was upgraded or made anew since)"
	if !r.o.Source.partial {
		r.warn(strings.Join(others, ", ") + ": " + was + "; its keys may be other rows' here")
		return nil
	}
	if len(others) == len(r.o.Source.IDs) {
		return refuse(Usage, fmt.Sprintf("no committed deletion in the journal matches that was on this server; of %s, %s. Name those by their IDs to restore them here", strings.Join(others, ", "), was))
	}
	r.warn("left out " + strings.Join(others, ", ") + ": " + was + "; name it by its ID to restore it here")
	source := *r.o.Source
	source.IDs = slices.DeleteFunc(slices.Clone(source.IDs), func(id string) bool { return slices.Contains(others, id) })
	source.bare = slices.DeleteFunc(slices.Clone(source.bare), func(e *journal.Entry) bool { return elsewhere(e, here) })
	source.Tables = slices.Clone(source.Tables)
	for i, e := range source.of {
		if elsewhere(e, here) {
			source.Tables[i] = journal.Table{KeysCaptured: true} // nothing of it
		}
	}
	r.o.Source = &source
	return nil
}

// elsewhere: e was on a server that is not the one of this system identifier.
func elsewhere(e *journal.Entry, system string) bool {
	return e.Server.SystemID != "" && e.Server.SystemID != system
}

// system is the server's system identifier.
func (s *side) system(ctx context.Context) (string, error) {
	rows, err := s.rows(ctx, "SELECT system_identifier::text FROM pg_control_system()")
	if err != nil {
		return "", err
	}
	return *rows[0][0], nil
}

// System is the server's system identifier.
func (s *Session) System(ctx context.Context) (string, error) { return s.side.system(ctx) }
