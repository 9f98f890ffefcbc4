package guard

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/rowback/rowback/journal"
)

// afterwards is for how long after an entry the journal is asked who has had its
// transaction's id, or removed its rows, since. Whose deletion failed runs it again soon.
const afterwards = 10 * time.Minute

// lookThrough is how many rows of later entries are compared with an entry's at most.
const lookThrough = 1_000_000

// aftermath is what other entries say of one whose server crashed, or was replaced by
// its standby, before its outcome was known.
type aftermath struct {
	// reissued: its transaction's id was given out again, so it was lost.
	reissued bool
	// overtaken: a lower one was, in the server's present run, which goes on after the last
	// id that lasted. Also where its statistics were reset while that one was open: the rows
	// have to agree.
	overtaken bool
	// removed are those of its first probeKeys rows that later ones removed: that such a
	// row is gone says nothing.
	removed map[string]bool
}

// aftermath reads what came after e, whose transaction was xid. run is the server's.
func (j settler) aftermath(ctx context.Context, e *journal.Entry, xid uint64, run time.Time) (a aftermath, err error) {
	if run.IsZero() || e.Server.Started.IsZero() || run.Equal(e.Server.Started) {
		return a, nil
	}
	its, err := j.firstRows(ctx, e)
	if err != nil {
		return a, err
	}
	a.removed = map[string]bool{}
	seen := 0
	for x, err := range j.journal.Entries(ctx, journal.Filter{Since: e.Time, Until: e.Time.Add(afterwards)}) {
		if err != nil {
			return a, err
		}
		// A prepared one may be older than the run that it was seen in.
		if x.ID != e.ID && x.Prepared == "" && x.Server.Started.Equal(run) {
			n, err := strconv.ParseUint(x.XID, 10, 64)
			if err == nil && n == xid {
				a.reissued = true
				return a, nil
			}
			a.overtaken = a.overtaken || err == nil && n < xid
		}
		if x.Outcome != journal.Committed || x.Kind != journal.Deletion || x.Database != e.Database || x.Server.Started.Equal(e.Server.Started) || !meet(x, e) {
			continue
		}
		for row, err := range j.journal.Rows(ctx, x.ID) {
			if err != nil {
				return a, err
			}
			if seen++; seen > lookThrough {
				break
			}
			if t := x.Tables[row.Table]; !isCut(t) && its[identity(t, row)] {
				a.removed[identity(t, row)] = true
			}
		}
	}
	return a, nil
}

// firstRows are the rows of an entry that may be looked for in the database.
func (j settler) firstRows(ctx context.Context, e *journal.Entry) (map[string]bool, error) {
	its := map[string]bool{}
	for row, err := range j.journal.Rows(ctx, e.ID) {
		if err != nil {
			return nil, err
		}
		if t := e.Tables[row.Table]; !isCut(t) {
			its[identity(t, row)] = true
		}
		if len(its) == probeKeys {
			break
		}
	}
	return its, nil
}

// meet reports whether two entries have a table in common.
func meet(a, b *journal.Entry) bool {
	for _, t := range a.Tables {
		for _, o := range b.Tables {
			if t.Schema == o.Schema && t.Name == o.Name {
				return true
			}
		}
	}
	return false
}

// isCut reports whether a table's rows were cut loose, and are there still.
func isCut(t journal.Table) bool { return t.Via == journal.SetNull || t.Via == journal.SetDef }

// identity is a row, as a text.
func identity(t journal.Table, row journal.Row) string {
	parts := []string{t.Schema, t.Name}
	for i, c := range t.Key {
		parts = append(parts, c.Name, text(row.Values[i]))
	}
	return strings.Join(parts, "\x00")
}
