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
	name string              // "" before it was told anything
	sent map[string]windowed // by key
	over map[string]string   // what set said, by rule
	err  error               // it could not be told everything: the transaction must not commit
}

// others are the counts that the journal was told of and that are none of these, as nothing.
func (c *counting) others(counts []windowed) (nothing []windowed) {
	for key, was := range c.sent {
		if was.rows != 0 && !slices.ContainsFunc(counts, func(n windowed) bool { return n.key == key }) {
			was.rows = 0
			nothing = append(nothing, was)
		}
	}
	return nothing
}

func newFleetWindows(j journal.Fleet, failed func(error)) *fleetWindows {
	return &fleetWindows{journal: j, failed: failed, active: map[string]bool{}, late: map[string]bool{}}
}

// set is windows.set, with what it says by rule. Where the journal does not answer
// the transaction is let go on, and stopped at its commit: see counting.err.
func (f *fleetWindows) set(now time.Time, tx *transaction, all []windowed) (over map[string]string) {
	c := &tx.counting
	if c.err != nil { // it is not asked again: a client waits
		return c.over
	}
	if !slices.ContainsFunc(all, func(n windowed) bool {
		was, told := c.sent[n.key]
		return !told || was.rows != n.rows || n.ahead > 0
	}) { // asked again of the same rows, or now that they are committed
		return c.over
	}
	if c.name == "" {
		*c = counting{name: journal.NewID(now), sent: map[string]windowed{}, over: map[string]string{}}
		f.mu.Lock()
		f.active[c.name] = true
		f.mu.Unlock()
	}
	counts := make([]journal.Count, len(all))
	for i, n := range all {
		counts[i] = journal.Count{Rule: n.rule, Key: n.key, Per: n.window.Per, Rows: n.rows}
	}
	sums, err := f.journal.Count(context.Background(), c.name, counts)
	if err != nil {
		c.err = fmt.Errorf("rows could not be counted in their windows: %w", err)
		f.failed(err)
		return nil
	}
	ahead := map[string]string{}
	for _, n := range all {
		delete(c.over, n.rule)
	}
	for i, n := range all {
		says := c.over
		if n.ahead > 0 {
			says = ahead
		}
		if sum := sums[i] + n.ahead; sum > n.window.Rows && n.rows+n.ahead > 0 && says[n.rule] == "" {
			says[n.rule] = n.over(sum)
		}
		n.ahead = 0
		c.sent[n.key] = n
	}
	if len(ahead) > 0 {
		return ahead
	}
	return c.over
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
		windows, err := scratch.past(ctx, j, p, now, func(string) {})
		if err != nil {
			return nil, err
		}
		for key, w := range windows {
			rule, _, _ := strings.Cut(key, "\x00")
			for _, b := range w.past {
				past = append(past, journal.PastCount{Count: journal.Count{Rule: rule, Key: key, Per: w.per, Rows: b.rows}, At: b.end.Add(-w.per / grains)})
			}
		}
		return past, nil
	})
}
