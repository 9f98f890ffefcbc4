package guard

import (
	"context"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/sqlparse"
)

// database is what the sessions of one database share: those on the primary, and,
// apart, those on servers in recovery. A standby may lag: what the catalog is there
// says nothing of the primary.
type database struct {
	name    string
	other   *database // those of the other kind
	standby bool
	// changes counts what sessions have done, or seen, that may have changed the catalog,
	// ticks the other reasons to look whether it has: the clock's, and entries to be settled.
	// A view that was read before the last of them is stale.
	changes, ticks atomic.Int64
	// shapes counts those changes after which nothing may delete that might not have
	// before, or names what may: see sqlparse's Shapes.
	shapes atomic.Int64
	// beats counts the clock's ticks alone.
	beats atomic.Int64
	// outdated: the catalog has changed in a way that was seen; read it again
	// whatever its fingerprint.
	outdated atomic.Bool
	// view is nil until the first session has loaded it.
	view atomic.Pointer[view]
	// loading is held by the session that loads the catalog; see looks.
	loading atomic.Pointer[lookTurn]
	// server is what the database's server is known by.
	server serverID
	// stuck is until when nobody waits for a look at the catalog, Unix time in ns: one takes long.
	stuck atomic.Int64
	// recounted is when the last statement was recounted, Unix time in ns.
	recounted atomic.Int64
	// collected belongs to Judge.Run.
	collected time.Time
	// presence of sessions in the primary's or a standby's database; that of the primary has it.
	presence presence

	// mu guards what is below.
	mu     sync.Mutex
	doubts map[string]doubt  // entries in doubt whose session is gone or done with them, by ID
	why    map[string]string // why a doubt stays, as logged last
	rested time.Time         // when the journal kept a session that settles waiting

	settling sync.Mutex          // held by who settles
	readings map[string]*reading // belongs to who does, by the IDs of entries in doubt

	misnamed misnamed // see checkNames
}

// doubt is what is known of an entry in doubt.
type doubt struct {
	ours bool                  // this proxy may have stored its outcome, and was not told so
	back func(context.Context) // gives back what it took of windows and allowances, if it was rolled back; nil: nothing
}

// resting is for how long sessions do not settle after that; what else settles goes on.
const resting = time.Minute

// view is a catalog snapshot with what is derived from it. Immutable, but for its cache and
// secret, and until when it is known to be good.
type view struct {
	changes, shapes, ticks, beats atomic.Int64 // of its database; see database.stale

	snap  *catalog.Snapshot
	names *sqlparse.Names // Reach.Names, Reach.Renames and Reach.RenamesRemovals
	first *sqlparse.Names // Reach.Reads, Reach.RenamesReads and the words of what writes: without one the other names do not matter
	// foreign are the names of tables and views whose rows may be those of a foreign table.
	foreign map[string]bool
	cache   cache
	secret  secret

	// uncertain: the catalog has changed since, and nobody could look at it yet. All is
	// counted, beside what the view says. doubted is a view's own such, made when needed.
	uncertain bool
	doubted   atomic.Pointer[view]
}

// doubt is the view where it is not sure any more.
func (v *view) doubt() *view {
	if v.uncertain || v.snap.Reach.Everything != "" {
		return v
	}
	if d := v.doubted.Load(); d != nil {
		return d
	}
	snap := *v.snap
	snap.Reach.Everything = notLooked
	d := newView(&snap)
	d.uncertain = true
	v.doubted.Store(d)
	return d
}

// notLooked is why a statement may delete something by a view that is not sure.
const notLooked = "what the catalog is now could not be looked at yet"

func newView(snap *catalog.Snapshot) *view {
	first := maps.Clone(snap.Reach.Reads)
	if first == nil {
		first = map[string]catalog.Why{}
	}
	for _, w := range writingWords {
		first[w] = "writes"
	}
	names := maps.Clone(snap.Reach.Names)
	if names == nil {
		names = map[string]catalog.Why{}
	}
	maps.Copy(names, snap.Reach.Renames)
	maps.Copy(names, snap.Reach.RenamesRemovals)
	maps.Copy(first, snap.Reach.RenamesReads)
	foreign := map[string]bool{}
	for _, t := range snap.Tables {
		if t.HoldsForeign() {
			foreign[t.Name] = true
		}
	}
	return &view{snap: snap, foreign: foreign, secret: secret{installed: isInstalled(snap), fires: isOnTables(snap)}, names: sqlparse.NewNames(names), first: sqlparse.NewNames(first), cache: cache{byText: map[string]*analysis{}}}
}

// own is the one of both that has the entries in doubt.
func (d *database) own() *database {
	if d.standby {
		return d.other
	}
	return d
}

// doubt hands an entry over to be settled before the next judged message of any session.
func (d *database) doubt(id string, is doubt) {
	d = d.own()
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known := d.doubts[id]; !known || is.ours || is.back != nil {
		if d.doubts == nil {
			d.doubts = map[string]doubt{}
		}
		d.doubts[id] = is
	}
	d.ticks.Add(1)
	d.other.ticks.Add(1)
}

// maybeStored notes that the outcome of an entry in doubt may have been stored.
func (d *database) maybeStored(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if is, ok := d.doubts[id]; ok {
		is.ours = true
		d.doubts[id] = is
	}
}

// settled returns what was known of an entry that is in doubt no more.
func (d *database) settled(id string) doubt {
	d.mu.Lock()
	defer d.mu.Unlock()
	is := d.doubts[id]
	delete(d.doubts, id)
	delete(d.why, id)
	return is
}

// giveBack is doubt.back, once.
func (d *database) giveBack(ctx context.Context, id string) {
	d.mu.Lock()
	is := d.doubts[id]
	if back := is.back; back != nil {
		is.back = nil
		d.doubts[id] = is
		defer back(ctx)
	}
	d.mu.Unlock()
}

func (d *database) rest(now time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rested = now
}

func (d *database) rests(now time.Time) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	since := now.Sub(d.rested)
	return since >= 0 && since < resting
}

// explain notes why an entry stays in doubt, and reports whether that is news.
func (d *database) explain(id, why string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.why == nil {
		d.why = map[string]string{}
	}
	news := d.why[id] != why
	d.why[id] = why
	return news
}

func (d *database) inDoubt() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.doubts))
}

// misread notes that the catalog is not what was read of it: it is read again, though
// its fingerprint may be the same.
func (d *database) misread() {
	d.outdated.Store(true)
	d.announce()
}

// announce notes that the catalog may have changed, or may be seen to have. Who is on
// a standby looks again as well: it may have been promoted.
func (d *database) announce() {
	d.changes.Add(1)
	d.other.changes.Add(1)
}

// reshape is announce for what merely shapes tables.
func (d *database) reshape() {
	d.shapes.Add(1)
	d.other.shapes.Add(1)
}

// stick notes at a time, Unix in ns, that looks take long.
func (d *database) stick(now int64) { d.stuck.Store(now + int64(2*changeWait)) }

// isStuck: a time further off than stick sets was set by a clock that has been put back since.
func (d *database) isStuck(now int64) bool {
	left := d.stuck.Load() - now
	return left > 0 && left <= int64(2*changeWait)
}

// newDatabase returns that of the primary.
func newDatabase(name string) *database {
	d := &database{name: name}
	d.other = &database{name: name, standby: true, other: d}
	for _, d := range []*database{d, d.other} {
		d.loading.Store(newLookTurn())
	}
	return d
}

// moment is how much of a database's changes and ticks there was.
type moment struct{ changes, shapes, ticks, beats int64 }

func (d *database) now() moment {
	return moment{d.changes.Load(), d.shapes.Load(), d.ticks.Load(), d.beats.Load()}
}

// tick is the clock's.
func (d *database) tick() {
	for _, d := range []*database{d, d.other} {
		d.beats.Add(1)
		d.ticks.Add(1)
	}
}

// stale reports whether a view is to be looked at again, and whether that is because of a change.
func (d *database) stale(v *view) (is, changed bool) {
	if v == nil {
		return true, true
	}
	changed = v.changes.Load() < d.changes.Load() || d.reshaped(v)
	return changed || v.ticks.Load() < d.ticks.Load(), changed
}

// reshaped reports whether tables may have other shapes than a view says.
func (d *database) reshaped(v *view) bool { return v.shapes.Load() < d.shapes.Load() }

// reaches reports whether a view says of what deletes nothing itself that it does not
// delete, though tables may have other shapes by now.
func (d *database) reaches(v *view) bool {
	return v != nil && v.changes.Load() >= d.changes.Load() && v.ticks.Load() >= d.ticks.Load()
}

// old reports whether nobody has looked for so long that there may have been any change.
func (d *database) old(v *view) bool { return v != nil && v.beats.Load() < d.beats.Load()-1 }

// good notes that a view holds what the catalog was at that moment.
func (v *view) good(at moment) {
	raise := func(to *atomic.Int64, n int64) {
		for old := to.Load(); old < n && !to.CompareAndSwap(old, n); old = to.Load() {
		}
	}
	raise(&v.changes, at.changes)
	raise(&v.shapes, at.shapes)
	raise(&v.ticks, at.ticks)
	raise(&v.beats, at.beats)
}
