package guard

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// windows counts removed rows over sliding times. What transactions under way
// have removed counts, too, so that many at once cannot slip through together.
// It is never too low: times are rounded up by grain.
type windows struct {
	// mu guards the rest.
	mu     sync.Mutex
	byKey  map[string]*window
	inside map[*transaction]map[string]bool // the windows that a transaction is in
	swept  time.Time

	fleet *fleetWindows // where the journal counts; nil: here
}

// window is one count: of one rule's window, and one combination of what it counts apart by.
type window struct {
	per     time.Duration
	past    []bucket // of committed transactions, oldest first
	pending map[*transaction]int64
}

// bucket is rows removed within a grain that ends at end.
type bucket struct {
	end  time.Time
	rows int64
}

// grains is into how many parts a window is divided.
const grains = 60

func newWindows() *windows {
	return &windows{byKey: map[string]*window{}, inside: map[*transaction]map[string]bool{}}
}

// reserve notes that a transaction has removed rows from tables, all under one
// rule, of which those pardoned do not count, and says which window is over, "" if none is.
func (ws *windows) reserve(now time.Time, tx *transaction, rule *policy.Rule, who policy.Subject, tables []journal.Table, pardoned *removals) (over string) {
	if len(rule.Windows) == 0 {
		return ""
	}
	if ws.fleet != nil {
		shares := make([]map[string]int64, len(rule.Windows))
		for i := range shares {
			shares[i] = windowShares(rule, i, who, tables, pardoned)
		}
		return ws.fleet.reserve(now, tx, rule, shares)
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.sweep(now)
	for i, w := range rule.Windows {
		for key, n := range windowShares(rule, i, who, tables, pardoned) {
			at := ws.at(key, w.Per)
			at.pending[tx] = n
			if ws.inside[tx] == nil {
				ws.inside[tx] = map[string]bool{}
			}
			ws.inside[tx][key] = true
			if sum := at.sum(now); sum > w.Rows && over == "" {
				over = fmt.Sprintf("%d within %s, limit %d%s", sum, span(w.Per), w.Rows, apart(w.By))
			}
		}
	}
	return over
}

// named notes the entry that a transaction is about to have in the journal.
func (ws *windows) named(tx *transaction, id string) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	tx.entry = id
}

// end takes a transaction out; committed: its rows stay counted.
func (ws *windows) end(now time.Time, tx *transaction, committed bool) {
	if ws.fleet != nil {
		ws.fleet.end(tx, committed)
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for key := range ws.inside[tx] {
		w := ws.byKey[key]
		if n := w.pending[tx]; committed && n > 0 && !tx.replayed {
			w.add(now, n)
		}
		delete(w.pending, tx)
	}
	delete(ws.inside, tx)
}

// replay counts what the journal says was removed before this proxy started.
func (ws *windows) replay(ctx context.Context, j journal.Journal, p *policy.Policy, now time.Time) error {
	if ws.fleet != nil {
		return ws.fleet.replay(ctx, j, p, now)
	}
	var longest time.Duration
	for _, r := range append([]policy.Rule{p.Default}, p.Rules...) {
		for _, w := range r.Windows {
			longest = max(longest, w.Per)
		}
	}
	if longest == 0 {
		return nil
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.byKey {
		w.past = nil
	}
	ending := map[string]*transaction{}
	for tx := range ws.inside {
		ending[tx.entry] = tx
	}
	for e, err := range j.Entries(ctx, journal.Filter{Since: now.Add(-longest), Kind: journal.Deletion}) {
		if err != nil {
			return err
		}
		if tx := ending[e.ID]; tx != nil {
			tx.replayed = true
		}
		rest := e.Rows // not by somebody's leave; from which tables those went, the entry does not say
		for _, a := range e.Allowed {
			rest -= a.Rows
		}
		if e.Outcome != journal.Committed && e.Outcome != journal.InDoubt || len(e.Allowed) > 0 && rest <= 0 {
			continue
		}
		who := policy.Subject{Database: e.Database, User: e.User, Application: e.Application}
		if at, err := netip.ParseAddrPort(e.Client); err == nil {
			who.Address = at.Addr()
		}
		for _, sh := range shares(p.For(who), e.Tables, nil) {
			for i, w := range sh.rule.Windows {
				for key, n := range windowShares(sh.rule, i, who, sh.statement, &removals{}) {
					if now.Sub(e.Time) < w.Per {
						if len(e.Allowed) > 0 {
							n = min(n, rest)
						}
						at := ws.at(key, w.Per)
						at.past = append([]bucket{{e.Time.Add(w.Per / grains), n}}, at.past...) // newest come first
					}
				}
			}
		}
	}
	return nil
}

func (ws *windows) at(key string, per time.Duration) *window {
	w := ws.byKey[key]
	if w == nil {
		w = &window{pending: map[*transaction]int64{}}
		ws.byKey[key] = w
	}
	w.per = per
	return w
}

// sweep forgets windows in which nothing counts any more, now and then.
func (ws *windows) sweep(now time.Time) {
	if since := now.Sub(ws.swept); since >= 0 && since < 10*time.Second {
		return
	}
	ws.swept = now
	for key, w := range ws.byKey {
		if w.sum(now) == 0 && len(w.pending) == 0 {
			delete(ws.byKey, key)
		}
	}
}

func (w *window) sum(now time.Time) int64 {
	for len(w.past) > 0 && !now.Before(w.past[0].end.Add(w.per)) {
		w.past = w.past[1:]
	}
	// What is ahead was removed before the clock went back: it counts from now on.
	edge := now.Add(w.per / grains)
	for i := len(w.past) - 1; i >= 0 && w.past[i].end.After(edge); i-- {
		w.past[i].end = edge
	}
	var n int64
	for _, b := range w.past {
		n += b.rows
	}
	for _, p := range w.pending {
		n += p
	}
	return n
}

func (w *window) add(now time.Time, n int64) {
	if last := len(w.past) - 1; last >= 0 && now.Before(w.past[last].end) {
		w.past[last].rows += n
		return
	}
	w.past = append(w.past, bucket{now.Add(w.per / grains), n})
}

// windowShares are the rows that count in each of the counts of a rule's i-th window.
func windowShares(rule *policy.Rule, i int, who policy.Subject, tables []journal.Table, pardoned *removals) map[string]int64 {
	w := rule.Windows[i]
	parts := []string{rule.Name, fmt.Sprint(i)}
	perTable := false
	for _, d := range w.By {
		switch d {
		case policy.ByDatabase:
			parts = append(parts, who.Database)
		case policy.ByUser:
			parts = append(parts, who.User)
		case policy.ByApplication:
			parts = append(parts, who.Application)
		case policy.ByNetwork:
			parts = append(parts, network(who.Address))
		case policy.ByTable:
			perTable = true
		}
	}
	key := strings.Join(parts, "\x00")
	byKey := map[string][]journal.Table{}
	for _, t := range tables {
		k := key
		if perTable {
			k += "\x00" + who.Database + "\x00" + t.Schema + "\x00" + t.Name
		}
		byKey[k] = append(byKey[k], t)
	}
	out := map[string]int64{}
	for k, ts := range byKey {
		out[k] = max(0, counted(rule, ts)-pardoned.pardonedOf(rule, ts))
	}
	return out
}

// network is what of an address counts as one client.
func network(a netip.Addr) string {
	if !a.IsValid() {
		return "local"
	}
	a = a.Unmap()
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return a.String()
	}
	return p.String()
}

func apart(by []policy.Dimension) string {
	if len(by) == 0 {
		return ""
	}
	names := make([]string, len(by))
	for i, d := range by {
		names[i] = string(d)
	}
	return " for each " + strings.Join(names, " and ")
}

// span is a duration as people write it: 1m, not 1m0s.
func span(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}

// settleWindows counts what the session's transaction, which has committed,
// removed in the end.
func (s *session) settleWindows() {
	if s.tx == nil {
		return
	}
	now := s.j.o.Now()
	for _, sh := range shares(s.rules.sheet, s.tx.removals.tables, s.tx.removals.tables) {
		if sh.rule.Mode != policy.Off {
			s.j.windows.reserve(now, s.tx, sh.rule, s.rules.subject, sh.tx, &s.tx.removals)
		}
	}
	s.j.windows.end(now, s.tx, true)
}
