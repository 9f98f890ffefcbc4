package guard

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
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
	replays

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
	return &windows{byKey: map[string]*window{}, inside: map[*transaction]map[string]bool{}, replays: replays{named: map[string]*transaction{}}}
}

// windowed is what of removed rows counts in one window of a rule, in one combination
// of what that counts apart by.
type windowed struct {
	rule   string
	window policy.Window
	key    string
	rows   int64
	ahead  int64 // rows that are to be gone soon: they are in nobody's way yet
}

// reserve notes that a statement has removed rows from tables, all under one rule,
// and says which window its transaction is over, "" if none. ahead: it has not, and
// nothing of it is noted.
func (ws *windows) reserve(now time.Time, tx *transaction, rule *policy.Rule, who policy.Subject, tables []journal.Table, ahead bool) (over string) {
	counts := windowShares(rule, who, tables)
	for i := range counts {
		if c := &counts[i]; ahead {
			c.rows, c.ahead = 0, c.rows
		}
	}
	counts = tx.removals.with(counts)
	if len(counts) == 0 {
		return ""
	}
	if ws.fleet != nil {
		return ws.fleet.set(now, tx, counts)[rule.Name]
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.sweep(now)
	return ws.set(now, tx, counts)
}

// recount makes a transaction count for what it has removed, and for nothing else:
// of what it was counted with before, something may have been taken back, or pardoned.
func (ws *windows) recount(now time.Time, tx *transaction, has *removals) {
	counts := slices.Collect(maps.Values(has.windowed))
	if ws.fleet != nil {
		ws.fleet.set(now, tx, append(counts, tx.counting.others(counts)...))
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for key := range ws.inside[tx] {
		ws.byKey[key].pending[tx] = 0
	}
	ws.set(now, tx, counts)
}

// set notes what a transaction has in windows, with mu held. over: the first that is.
func (ws *windows) set(now time.Time, tx *transaction, counts []windowed) (over string) {
	for _, c := range counts {
		at := ws.at(c.key, c.window.Per)
		at.pending[tx] = c.rows
		if ws.inside[tx] == nil {
			ws.inside[tx] = map[string]bool{}
		}
		ws.inside[tx][c.key] = true
		if sum := at.sum(now) + c.ahead; sum > c.window.Rows && over == "" {
			over = c.over(sum)
		}
	}
	return over
}

// over says, for people, that so many rows are too many.
func (c windowed) over(sum int64) string {
	return fmt.Sprintf("%d within %s, limit %d%s", sum, span(c.window.Per), c.window.Rows, apart(c.window.By))
}

// taken is what a transaction has in windows, by key.
type taken struct {
	rows map[string]int64
	age  int // replays.age then
}

// of is what a transaction has in windows; of those that a fleet shares nothing.
func (ws *windows) of(tx *transaction) taken {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	has := taken{map[string]int64{}, ws.age}
	for key := range ws.inside[tx] {
		has.rows[key] = ws.byKey[key].pending[tx]
	}
	return has
}

// takeBack takes rows out that were counted as committed at that time or later; not
// once windows were begun anew: whether these counted them nobody knows.
func (ws *windows) takeBack(at time.Time, has taken) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.under || ws.age != has.age {
		return
	}
	for key, n := range has.rows {
		w := ws.byKey[key]
		if w == nil {
			continue
		}
		for i := range w.past { // what is not found counts on
			if b := &w.past[i]; b.end.After(at) && !b.end.After(at.Add(2*w.per/grains)) && b.rows >= n { // where add has put it, or just after
				b.rows -= n
				break
			}
		}
	}
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
		if n := w.pending[tx]; committed && n > 0 && ws.counts(tx, key, w.per, bucket{now, n}) {
			w.add(now, n)
		}
		delete(w.pending, tx)
	}
	delete(ws.inside, tx)
	ws.gone(tx)
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

// windowShares are the rows that count in each of a rule's windows.
func windowShares(rule *policy.Rule, who policy.Subject, tables []journal.Table) []windowed {
	var out []windowed
	for i, w := range rule.Windows {
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
		for k, ts := range byKey {
			out = append(out, windowed{rule: rule.Name, window: w, key: k, rows: max(0, counted(rule, ts))})
		}
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

// recountWindows makes the open transaction count for what it has removed now.
func (s *session) recountWindows() {
	if s.tx != nil {
		s.j.windows.recount(s.j.o.Now(), s.tx, &s.tx.removals)
	}
}

// adapt makes what the open transaction has removed count in the windows of rules that
// have come meanwhile, too: these were begun anew without it.
func (s *session) adapt() {
	if s.tx == nil || s.tx.removals.policy == nil || s.tx.removals.policy == s.rules.of {
		return
	}
	rm := &s.tx.removals
	rm.policy = s.rules.of
	for _, sh := range shares(s.rules.sheet, rm.tables, rm.tables) {
		if sh.rule.Mode == policy.Off {
			continue
		}
		for _, c := range windowShares(sh.rule, s.subject(), sh.tx) {
			c.rows = max(c.rows, rm.windowed[c.key].rows) // the same key may be of another window now
			rm.count([]windowed{c})
		}
	}
}

// settleWindows counts what the session's transaction, which has committed,
// removed in the end.
func (s *session) settleWindows() {
	if s.tx == nil {
		return
	}
	s.adapt()
	s.recountWindows()
	s.j.windows.end(s.j.o.Now(), s.tx, true)
}
