package main

import (
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// happened: what e is of was done, or may have been.
func happened(e *journal.Entry) bool {
	return e.Outcome != journal.Blocked && e.Outcome != journal.RolledBack
}

// uncounted: rows may be gone of which there is not even a number.
func uncounted(e *journal.Entry) bool { return happened(e) && recovery.Unnumbered(e) }

// unrestorable says in the list which deletions cannot be restored from their entries,
// or not as a whole; "" for others.
func unrestorable(e *journal.Entry) string {
	if e.Kind != journal.Deletion || !happened(e) {
		return ""
	}
	some, lacking := false, recovery.Unnumbered(e)
	for _, t := range e.Tables {
		if t.Removed() && t.Rows > 0 {
			known := t.KeysCaptured || t.RowsCaptured
			some, lacking = some || known, lacking || !known
		}
	}
	switch {
	case !lacking:
		return ""
	case some:
		return ", some keys"
	}
	return ", no keys"
}
