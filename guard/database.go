package guard

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/sqlparse"
)

// database is what the sessions of one database share.
type database struct {
	name string
	// due: the catalog's fingerprint is to be compared before the next judged message.
	due atomic.Bool
	// view is nil until the first session has loaded it.
	view atomic.Pointer[view]
	// loading is held by the session that loads the catalog.
	loading sync.Mutex

	// mu guards doubts.
	mu     sync.Mutex
	doubts []string // entries in doubt, to be settled by a session of this database
}

// view is a catalog snapshot with what is derived from it. Immutable, but for its cache.
type view struct {
	snap  *catalog.Snapshot
	names *sqlparse.Names
	cache cache
}

func newView(snap *catalog.Snapshot) *view {
	return &view{snap: snap, names: sqlparse.NewNames(snap.Reach.Names), cache: cache{byText: map[string]*analysis{}}}
}

func (d *database) doubt(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Contains(d.doubts, id) {
		d.doubts = append(d.doubts, id)
	}
}

func (d *database) settled(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.doubts = slices.DeleteFunc(d.doubts, func(x string) bool { return x == id })
}

func (d *database) inDoubt() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.doubts)
}
