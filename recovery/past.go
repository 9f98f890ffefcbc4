package recovery

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/rowback/rowback/journal"
)

// past is what the journal has of restores of tables without a key, and of what
// took restores back.
type past struct {
	journal journal.Journal
	entries map[string]*journal.Entry // by ID
	read    time.Time                 // when; zero: not yet
}

// skew is more than the clocks of those who write one journal are apart.
const skew = 24 * time.Hour

// newPast is nil where no table of the entries is without a key.
func newPast(ctx context.Context, j journal.Journal, entries []*journal.Entry) (*past, error) {
	if !slices.ContainsFunc(entries, func(e *journal.Entry) bool {
		return slices.ContainsFunc(e.Tables, func(t journal.Table) bool { return t.RowsCaptured && len(t.Key) == 0 })
	}) {
		return nil, nil
	}
	p := &past{journal: j, entries: map[string]*journal.Entry{}}
	return p, p.update(ctx)
}

// update reads what is new since the last time, and what was in doubt then: others
// may be waiting for a lock.
func (p *past) update(ctx context.Context) error {
	began := time.Now()
	for id, e := range p.entries {
		if e.Outcome != journal.InDoubt {
			continue
		}
		is, err := p.journal.Entry(ctx, id)
		if err != nil {
			return err
		}
		p.entries[id] = is
	}
	var since time.Time
	if !p.read.IsZero() {
		since = p.read.Add(-skew)
	}
	// In this order what is settled meanwhile is seen.
	for _, o := range []journal.Outcome{journal.InDoubt, journal.Committed} {
		for e, err := range p.journal.Entries(ctx, journal.Filter{Since: since, Outcome: o}) {
			if err != nil {
				return err
			}
			if e.Kind == journal.Deletion && len(e.Restores) > 0 ||
				e.Kind == journal.Restore && slices.ContainsFunc(e.Tables, func(t journal.Table) bool { return !t.KeysCaptured }) {
				p.entries[e.ID] = e
			}
		}
	}
	p.read = began
	return nil
}

// back is what restores have brought back of what one deletion took of a table.
type back struct {
	whole bool
	by    *journal.Entry // whole: the last that did
	doubt string         // the entry that does not tell whether some of it is back; "": none
}

// reason is about a row of which there is no identical one.
func (b back) reason() string {
	if b.whole {
		return fmt.Sprintf("%s brought it back (into %s at %s); no identical row is there now, and the table has no key to tell whether it has been changed since. If that was into a copy of the database, `rowback restore --undo` there, then restore again; else insert it by hand if it is missing",
			b.by.ID, b.by.Database, b.by.Time.UTC().Format(time.RFC3339))
	}
	if b.doubt != "" {
		return fmt.Sprintf("how %[1]s ended is not known, so that this row may be back, and the table has no key to tell; restore again when `rowback log %[1]s` says it, or insert the row by hand if it is missing", b.doubt)
	}
	return "a restore brought some of these rows back before, and the table has no key to tell whether this one has been changed since; insert it by hand if it is missing"
}

// restoredBefore says of tables without a key what restores of the entries have
// brought back of their rows, by the entry's ID and the name that the table has now. Where the
// journal does not know yet how one ended, the server does.
func (r *restore) restoredBefore(ctx context.Context) (map[string]map[string]back, error) {
	p := r.o.Source.past
	if p == nil {
		return nil, nil
	}
	if err := p.update(ctx); err != nil {
		return nil, err
	}
	here, err := r.production.system(ctx)
	if err != nil {
		return nil, err
	}
	undone := map[string]map[string]int64{} // rows, by the restore's ID and the table's name
	unsure := map[string]string{}           // what may have taken a restore back
	var restores []*journal.Entry
	outcomes := map[string]journal.Outcome{}
	for id, e := range p.entries {
		o, err := r.production.outcome(ctx, e)
		if err != nil {
			return nil, err
		}
		outcomes[id] = o
		if e.Kind == journal.Restore {
			if o != journal.RolledBack {
				restores = append(restores, e)
			}
			continue
		}
		for _, restore := range e.Restores {
			switch {
			case o == journal.InDoubt:
				unsure[restore] = id
			case o == journal.Committed:
				if undone[restore] == nil {
					undone[restore] = map[string]int64{}
				}
				for _, t := range e.Tables {
					undone[restore][r.isNow(t)] += t.Rows
				}
			}
		}
	}
	out := map[string]map[string]back{}
	for _, e := range restores {
		asking, err := r.broughtHere(ctx, e, r.o.Source.of, here)
		if err != nil {
			return nil, err
		}
		if len(asking) == 0 {
			continue
		}
		doubt := unsure[e.ID]
		if outcomes[e.ID] == journal.InDoubt {
			doubt = e.ID
		}
		for _, t := range e.Tables {
			name := r.isNow(t)
			rows := t.Rows - undone[e.ID][name]
			if t.KeysCaptured || rows <= 0 {
				continue
			}
			asked, err := r.askedFor(ctx, e, name)
			if err != nil {
				return nil, err
			}
			for _, of := range asking {
				id := of.ID
				if out[id] == nil {
					out[id] = map[string]back{}
				}
				b := out[id][name]
				if doubt != "" {
					b.doubt = doubt
				} else if rows >= asked {
					b.whole = true
					if b.by == nil || b.by.ID < e.ID {
						b.by = e
					}
				}
				out[id][name] = b
			}
		}
	}
	return out, nil
}

// broughtHere are those of the entries whose rows the restore e brought back into this
// database, or may have: a name that the server does not have may be what the database
// was called, and another server what production was on, if the deletion was there, too.
func (r *restore) broughtHere(ctx context.Context, e *journal.Entry, entries []*journal.Entry, here string) (asking []*journal.Entry, err error) {
	for _, of := range entries {
		if slices.Contains(e.Restores, of.ID) && !slices.Contains(asking, of) && (!elsewhere(e, here) || elsewhere(of, here)) {
			asking = append(asking, of)
		}
	}
	if len(asking) == 0 || e.Database == r.production.catalog.Database || elsewhere(e, here) {
		return asking, nil
	}
	others, err := r.production.number(ctx, "SELECT count(*) FROM pg_database WHERE datname = "+literal(e.Database))
	if err != nil || others > 0 {
		return nil, err
	}
	return asking, nil
}

// isNow is the name in production of an entry's table: it may have been renamed since.
func (r *restore) isNow(t journal.Table) string {
	if live, err := r.liveTable(&t); err == nil {
		return display(live.Root())
	}
	if live := r.production.catalog.Tables[t.OID]; live != nil && t.OID != 0 {
		return display(live.Root())
	}
	return journal.QuoteName(t.Schema, t.Name)
}

// askedFor is how many rows of a table a restore was asked for.
func (r *restore) askedFor(ctx context.Context, e *journal.Entry, name string) (n int64, err error) {
	for _, id := range e.Restores {
		from, err := r.o.Source.past.journal.Entry(ctx, id)
		if errors.Is(err, journal.ErrNotFound) { // removed since: who knows how many it had
			return math.MaxInt64, nil
		}
		if err != nil {
			return 0, err
		}
		for _, o := range from.Tables {
			if o.RowsCaptured && r.isNow(o) == name {
				n += o.Rows
			}
		}
	}
	return n, nil
}
