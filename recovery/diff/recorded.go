package diff

import (
	"context"
	"fmt"
	"slices"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// evidence is a journal entry with keys of a table.
type evidence struct {
	id      string
	deleted bool          // a deletion, else a restore
	shares  map[int]share // by Entry.Tables
}

// share is one table's part of an entry.
type share struct {
	order []int  // where the table's key columns are in a row's values
	types string // that these had
}

// readJournal finds the entries that tell of the tables: committed deletions,
// and restores, newest first. It holds what entries there are, not their keys.
func (r *run) readJournal(ctx context.Context) error {
	if r.o.Journal == nil {
		return nil
	}
	if err := r.refuseSwapped(ctx); err != nil {
		return err
	}
	pairs := map[string]*pair{}
	for _, p := range r.pairs {
		pairs[display(p.live)] = p
	}
	here, err := r.production.System(ctx)
	if err != nil {
		return err
	}
	doubtful, elsewhere, told := 0, 0, map[string]bool{}
	for e, err := range r.o.Journal.Entries(ctx, journal.Filter{Database: r.production.catalog.Database}) {
		if err != nil {
			return err
		}
		if e.Server.SystemID != "" && e.Server.SystemID != here {
			elsewhere++
			continue
		}
		if e.Kind == journal.Deletion && e.Outcome == journal.InDoubt {
			doubtful++
		}
		if e.Outcome != journal.Committed {
			continue
		}
		if slices.Contains(r.o.Incidents, e.ID) {
			told[e.ID] = e.Kind == journal.Deletion && len(r.shares(e, pairs)) > 0
			continue
		}
		for p, shares := range r.shares(e, pairs) {
			r.recorded[p] = append(r.recorded[p], evidence{id: e.ID, deleted: e.Kind == journal.Deletion, shares: shares})
		}
	}
	for _, id := range r.o.Incidents {
		if !told[id] {
			r.notes = append(r.notes, fmt.Sprintf("--incident %s changes nothing: it is no committed deletion, by key, from the tables that are compared", id))
		}
	}
	if elsewhere > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d entries of the journal are of another server (another one, or production was upgraded or made anew since): what they removed counts as lost here, not as on record", elsewhere))
	}
	if doubtful > 0 {
		r.notes = append(r.notes, fmt.Sprintf("%d entries of the journal are in doubt: what they removed counts as lost, not as on record", doubtful))
	}
	return nil
}

// shares are the parts of e that removed, or put back, rows of tables that are
// compared.
func (r *run) shares(e *journal.Entry, pairs map[string]*pair) map[*pair]map[int]share {
	out := map[*pair]map[int]share{}
	for i, st := range e.Tables {
		switch st.Via {
		case journal.SetNull, journal.SetDef, journal.Update, journal.SoftDelete: // the row stayed
			continue
		}
		t := r.production.catalog.Lookup(st.Schema, st.Name)
		if t == nil || !st.KeysCaptured {
			continue
		}
		p := pairs[display(t.Root())]
		if p == nil {
			continue
		}
		var of share
		for _, c := range p.key {
			at := slices.IndexFunc(st.Key, func(k journal.Column) bool { return k.Name == c.name })
			of.order = append(of.order, at)
			if at >= 0 {
				of.types += st.Key[at].Type + ", "
			}
		}
		if slices.Contains(of.order, -1) { // recorded by another key
			continue
		}
		if out[p] == nil {
			out[p] = map[int]share{}
		}
		out[p][i] = of
	}
	return out
}

// refuseSwapped: the journal has deletions in the one that is the recovery
// database here, and none in production.
func (r *run) refuseSwapped(ctx context.Context) error {
	is, backup := r.production.catalog.Database, r.recovery.catalog.Database
	if is == backup {
		return nil
	}
	var here, there bool
	for database, found := range map[string]*bool{is: &here, backup: &there} {
		for _, err := range r.o.Journal.Entries(ctx, journal.Filter{Database: database, Kind: journal.Deletion, Outcome: journal.Committed}) {
			if err != nil {
				return err
			}
			*found = true
			break
		}
	}
	if here || !there {
		return nil
	}
	return recovery.Refuse(recovery.Usage, fmt.Sprintf("the deletions on record were in database %s, which is the name of the recovery database here, and none was in production's, %s; are --production and --recovery swapped?", backup, is))
}
