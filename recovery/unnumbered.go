package recovery

import (
	"fmt"

	"github.com/rowback/rowback/journal"
)

// Unnumbered: e is a deletion that names no table, for nobody could count what it
// removed. No row of it is on record.
func Unnumbered(e *journal.Entry) bool {
	return e.Kind == journal.Deletion && len(e.Tables) == 0 && (e.Dropped != "" || e.Alert != "")
}

// unnumbered says why e, which names no table, cannot be restored, and what can be done.
func unnumbered(e *journal.Entry) string {
	if e.Dropped == "" {
		return fmt.Sprintf("%s: no row is on record: %s; find what is gone with `rowback diff --out FILE` and restore with `rowback restore --from-diff FILE`", e.ID, e.Alert)
	}
	what := "was dropped as a whole"
	if e.Outcome == journal.InDoubt {
		what = "was to be dropped as a whole (how that ended is not known)"
	}
	name := journal.QuoteName("", e.Dropped)
	return fmt.Sprintf("%s: database %s %s, and rows are restored into one that is there: load its dump (CREATE DATABASE %[2]s, then pg_restore --dbname; `rowback backup load DUMP` makes a copy to look at)", e.ID, name, what)
}

// leaveUnnumbered lists the entries of which no row is on record, or says what is
// wrong with asking for them.
func (r *restore) leaveUnnumbered() (problems []string) {
	for _, e := range r.o.Source.bare {
		why := unnumbered(e)
		if !r.partial() {
			problems = append(problems, why)
			continue
		}
		r.lost = append(r.lost, Unrestored{Reason: why})
	}
	return problems
}
