package guard

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// replays is how windows are begun anew from the journal while transactions go on.
// These do not wait for it, and each is counted once: by what the journal has of it,
// or by its end.
type replays struct {
	one sync.Mutex // at a time

	// Of the windows' mu.
	age   int                     // how many there were
	under bool                    // one is under way
	named map[string]*transaction // by the ID of the entry that it has, or is about to have; with under: those that have ended meanwhile, too
	ended []endedIn               // meanwhile
}

// endedIn is what a transaction that has committed left in a window.
type endedIn struct {
	tx  *transaction
	key string
	per time.Duration
	bucket
}

// name notes the entry that a transaction is about to have in the journal.
func (ws *windows) name(tx *transaction, id string) {
	if ws.fleet != nil {
		return
	}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	tx.entry = id
	ws.named[id] = tx
}

// counts reports whether what a transaction leaves in a window is to be added to
// what is there: not if that was read from the journal with it.
func (r *replays) counts(tx *transaction, key string, per time.Duration, b bucket) bool {
	if r.under {
		r.ended = append(r.ended, endedIn{tx, key, per, b})
	}
	return !tx.replayed
}

// gone: a transaction has ended.
func (r *replays) gone(tx *transaction) {
	if !r.under {
		delete(r.named, tx.entry)
	}
}

// replay counts what the journal says was removed before: by this proxy, and by
// those before it or beside it.
func (ws *windows) replay(ctx context.Context, j journal.Journal, p *policy.Policy, now time.Time) error {
	if ws.fleet != nil {
		return ws.fleet.replay(ctx, j, p, now)
	}
	ws.one.Lock()
	defer ws.one.Unlock()
	read := map[*transaction]bool{}
	past, err := ws.past(ctx, j, p, now, func(id string) {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		if tx := ws.named[id]; tx != nil {
			read[tx] = true
		}
	})
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ended := ws.ended
	ws.under, ws.ended = false, nil
	for id, tx := range ws.named {
		if _, open := ws.inside[tx]; !open {
			delete(ws.named, id)
		}
	}
	if err != nil || past == nil {
		return err
	}
	ws.age++
	for _, w := range ws.byKey {
		w.past = nil
	}
	for key, w := range past {
		ws.at(key, w.per).past = w.past
	}
	for _, e := range ended {
		if !read[e.tx] {
			ws.at(e.key, e.per).add(e.end, e.rows)
		}
	}
	for tx := range ws.inside {
		tx.replayed = read[tx]
	}
	return nil
}

// past reads the journal's newest deletions into windows; nil: no rule has any. seen is told of each.
func (ws *windows) past(ctx context.Context, j journal.Journal, p *policy.Policy, now time.Time, seen func(id string)) (map[string]*window, error) {
	var longest time.Duration
	for _, r := range append([]policy.Rule{p.Default}, p.Rules...) {
		for _, w := range r.Windows {
			longest = max(longest, w.Per)
		}
	}
	if longest == 0 {
		return nil, nil
	}
	ws.mu.Lock()
	ws.under = true
	ws.mu.Unlock()
	past := map[string]*window{}
	for e, err := range j.Entries(ctx, journal.Filter{Since: now.Add(-longest), Kind: journal.Deletion}) {
		if err != nil {
			return nil, err
		}
		seen(e.ID)
		// What went by somebody's leave does not count; from which tables, the entry does not say.
		var rest, leave int64
		for _, t := range e.Tables {
			rest += t.Rows
		}
		for _, a := range e.Allowed {
			leave += a.Rows
		}
		rest -= leave
		// An undo removes what a restore had brought, without the proxy.
		if len(e.Restores) > 0 || e.Outcome != journal.Committed && e.Outcome != journal.InDoubt || leave > 0 && rest <= 0 {
			continue
		}
		who := policy.Subject{Database: e.Database, User: e.User, Application: e.Application}
		if at, err := netip.ParseAddrPort(e.Client); err == nil {
			who.Address = at.Addr()
		}
		for _, sh := range shares(p.For(who), e.Tables, nil) {
			for _, c := range windowShares(sh.rule, who, sh.statement) {
				if now.Sub(e.Time) >= c.window.Per {
					continue
				}
				if leave > 0 {
					c.rows = min(c.rows, rest)
				}
				w := past[c.key]
				if w == nil {
					w = &window{per: c.window.Per}
					past[c.key] = w
				}
				w.before(e.Time, c.rows)
			}
		}
	}
	for _, w := range past { // newest came first
		slices.Reverse(w.past)
	}
	return past, nil
}

// before adds rows that were removed before all that it has, which is in the opposite order.
func (w *window) before(at time.Time, n int64) {
	grain := w.per / grains
	if last := len(w.past) - 1; last >= 0 && w.past[last].end.Add(-2*grain).Before(at) {
		b := &w.past[last]
		b.rows += n
		if end := at.Add(grain); end.After(b.end) { // another clock's
			b.end = end
		}
		return
	}
	w.past = append(w.past, bucket{at.Add(grain), n})
}
