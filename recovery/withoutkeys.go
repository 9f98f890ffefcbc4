package recovery

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// withoutKeys says why the rows of source table i cannot be restored from their
// entry, and what can be done.
func (r *restore) withoutKeys(i int, st *journal.Table) string {
	which := ""
	if i < len(r.o.Source.of) {
		which = r.o.Source.of[i].ID + ": "
	}
	why := fmt.Sprintf("%sthe keys of %s of %s were not captured (%s); ", which, plural(st.Rows, "row"), sourceName(st), uncaptured(st))
	live, err := r.liveTable(st)
	switch {
	case err == nil && len(live.Root().Key) == 0:
		return why + "the table has no key, so that its rows cannot be told apart: copy them from the recovery database by hand"
	case err != nil:
		why += r.wholeTable(st, err)
	default:
		why += fmt.Sprintf("find them with `rowback diff %s --out FILE` and restore with `rowback restore --from-diff FILE`", strings.Join(r.unkeyed(), " "))
	}
	if !r.partial() {
		why += "; to restore the rest of the entry, and have these rows listed: --partial"
	}
	return why
}

// unkeyed are the source tables whose rows a diff has to find, as a command takes them: one
// run compares them all, and one restore of its file has the parents with their children.
func (r *restore) unkeyed() (names []string) {
	for i := range r.o.Source.Tables {
		st := &r.o.Source.Tables[i]
		if !st.Removed() || st.KeysCaptured || r.whole(st) || r.skipped(st) != nil {
			continue
		}
		if live, err := r.liveTable(st); err == nil && len(live.Root().Key) > 0 && !slices.Contains(names, sourceName(st)) {
			names = append(names, sourceName(st))
		}
	}
	return names
}

// wholeTable is the way out where production has no table to compare with the recovery
// database's, as err says.
func (r *restore) wholeTable(st *journal.Table, err error) string {
	if r.production.catalog.Tables[st.OID] != nil && st.OID != 0 {
		return err.Error()
	}
	if r.recovery != nil {
		if backup, _ := find(r.recovery.catalog, st.Schema, st.Name); backup == nil {
			return "neither production nor the recovery database has the table: an older backup may have it"
		}
	}
	return fmt.Sprintf("the table is not in production any more: pg_dump -t '%s' RECOVERY | psql PRODUCTION brings it back, with the rows that the recovery database has", sourceName(st))
}
