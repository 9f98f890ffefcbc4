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

// aftermath reads what came after e, whose transaction was xid, into r: the rest of it,
// where a reading before was broken off.
func (j settler) aftermath(ctx context.Context, e *journal.Entry, xid uint64, r *reading) error {
	if r.run.IsZero() || e.Server.Started.IsZero() || r.run.Equal(e.Server.Started) {
		r.done = !r.run.IsZero()
		return nil
	}
	if r.done {
		return nil
	}
	if !r.lasts {
		its, err := j.firstRows(ctx, e)
		if err != nil {
			return err
		}
		end := e.Time.Add(afterwards)
		r.aftermath, r.its, r.seen, r.until = aftermath{removed: map[string]bool{}}, its, 0, end
		r.lasts, r.unsure = j.o.Now().After(end), false
	}
	for x, err := range j.journal.Entries(ctx, journal.Filter{Since: e.Time, Until: r.until}) { // newest first
		if err == nil {
			err = j.follow(ctx, e, xid, x, r)
		}
		if err != nil || r.reissued {
			return err
		}
		r.until = x.Time
	}
	r.done = r.lasts && !r.unsure
	r.lasts = r.done
	return nil
}

// follow notes in r what x says of e, an earlier one.
func (j settler) follow(ctx context.Context, e *journal.Entry, xid uint64, x *journal.Entry, r *reading) error {
	// A prepared one may be older than the run that it was seen in.
	if x.ID != e.ID && x.Prepared == "" && x.Server.Started.Equal(r.run) {
		n, err := strconv.ParseUint(x.XID, 10, 64)
		if err == nil && n == xid {
			r.reissued = true
			return nil
		}
		r.overtaken = r.overtaken || err == nil && n < xid
	}
	ended := x.Outcome == journal.Committed
	if !ended && x.Outcome != journal.InDoubt || x.Kind != journal.Deletion || x.Database != e.Database || x.Server.Started.Equal(e.Server.Started) || !meet(x, e) {
		return nil
	}
	for row, err := range j.journal.Rows(ctx, x.ID) {
		if err != nil {
			return err
		}
		if r.seen++; r.seen > lookThrough {
			break
		}
		switch t := x.Tables[row.Table]; {
		case isCut(t) || !r.its[identity(t, row)]:
		case ended:
			r.removed[identity(t, row)] = true
		default:
			r.unsure = true
		}
	}
	return nil
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

// identity is a row, as a text, whoever wrote its entry.
func identity(t journal.Table, row journal.Row) string {
	parts := []string{t.Schema, t.Name}
	for i, c := range t.Key {
		parts = append(parts, c.Name, c.Same(text(row.Values[i])))
	}
	return strings.Join(parts, "\x00")
}
