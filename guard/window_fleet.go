package guard

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// fleetWindows are windows that several proxies count together, in the journal
// that they share. Each statement that a window counts costs an exchange with it.
type fleetWindows struct {
	journal journal.Fleet
	failed  func(error) // told of what the journal could not do

	// mu guards the rest.
	mu     sync.Mutex
	active map[string]bool // transactions counted, by name, until the journal knows of their end
	late   map[string]bool // of these, those that have ended: whether they committed
}

// counting is what the journal was told of a transaction.
type counting struct {
	name string // "" before it was told anything
	sent map[string]int64
	over map[string]string // what reserve said, by rule
	err  error             // it could not be told everything: the transaction must not commit
}

func newFleetWindows(j journal.Fleet, failed func(error)) *fleetWindows {
	return &fleetWindows{journal: j, failed: failed, active: map[string]bool{}, late: map[string]bool{}}
}

// reserve is windows.reserve. Where the journal does not answer the transaction
// is let go on, and stopped at its commit: see counting.err.
func (f *fleetWindows) reserve(now time.Time, tx *transaction, rule *policy.Rule, shares []map[string]int64) (over string) {
	var counts []journal.Count
	var of []policy.Window
	c, news := &tx.counting, false
	for i, w := range rule.Windows {
		for key, n := range shares[i] {
			counts, of = append(counts, journal.Count{Rule: rule.Name, Key: key, Per: w.Per, Rows: n}), append(of, w)
			was, told := c.sent[key]
			news = news || !told || was != n
		}
	}
	if !news { // asked again of the same rows, or now that they are committed
		return c.over[rule.Name]
	}
	if c.name == "" {
		*c = counting{name: journal.NewID(now), sent: map[string]int64{}, over: map[string]string{}}
		f.mu.Lock()
		f.active[c.name] = true
		f.mu.Unlock()
	}
	sums, err := f.journal.Count(context.Background(), c.name, counts)
	if err != nil {
		c.err = fmt.Errorf("rows could not be counted in their windows: %w", err)
		f.failed(err)
		return ""
	}
	for i, n := range counts {
		c.sent[n.Key] = n.Rows
		if w := of[i]; sums[i] > w.Rows && over == "" {
			over = fmt.Sprintf("%d within %s, limit %d%s", sums[i], span(w.Per), w.Rows, apart(w.By))
		}
	}
	c.over[rule.Name] = over
	return over
}

func (f *fleetWindows) end(tx *transaction, committed bool) {
	name := tx.counting.name
	if name == "" {
		return
	}
	err := tx.counting.err
	tx.counting = counting{}
	if err == nil { // else it is not asked again: a client waits
		err = f.journal.EndCount(context.Background(), name, committed)
	}
	f.told(name, committed, err)
}

func (f *fleetWindows) told(name string, committed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.late[name] = committed
		f.failed(err)
		return
	}
	delete(f.active, name)
	delete(f.late, name)
}

// keep tells the journal what it could not be told when it was time, and which
// transactions are under way.
func (f *fleetWindows) keep(ctx context.Context) error {
	f.mu.Lock()
	active, late := slices.Collect(maps.Keys(f.active)), maps.Clone(f.late)
	f.mu.Unlock()
	for name, committed := range late {
		err := f.journal.EndCount(ctx, name, committed)
		if err != nil {
			return err
		}
		f.told(name, committed, nil)
	}
	return f.journal.KeepCounts(ctx, active)
}

// replay is windows.replay.
func (f *fleetWindows) replay(ctx context.Context, j journal.Journal, p *policy.Policy, now time.Time) error {
	var rules []string
	for _, r := range append([]policy.Rule{p.Default}, p.Rules...) {
		if len(r.Windows) > 0 {
			rules = append(rules, r.Name)
		}
	}
	if len(rules) == 0 {
		return nil
	}
	return f.journal.Recount(ctx, rules, func() (past []journal.PastCount, err error) {
		scratch := newWindows()
		if err := scratch.replay(ctx, j, p, now); err != nil {
			return nil, err
		}
		for key, w := range scratch.byKey {
			rule, _, _ := strings.Cut(key, "\x00")
			for _, b := range w.past {
				past = append(past, journal.PastCount{Count: journal.Count{Rule: rule, Key: key, Per: w.per, Rows: b.rows}, At: b.end.Add(-w.per / grains)})
			}
		}
		return past, nil
	})
}
