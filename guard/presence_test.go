package guard

import (
	"testing"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// The catalog of a database that nobody has used for long is forgotten: not while there
// are sessions, nor where it tells that there is something to collect.
func TestUnload(t *testing.T) {
	records, err := journal.Open(t.Context(), t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	now := time.Now()
	j, err := New(t.Context(), Options{Journal: records, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	d := j.database("x")
	load := func(installed bool) {
		v := newView(&catalog.Snapshot{})
		v.secret.installed = installed
		d.view.Store(v)
	}
	check := func(when string, want bool) {
		t.Helper()
		if j.unload(); (d.view.Load() != nil) != want {
			t.Errorf("%s: there: %v", when, !want)
		}
	}
	load(false)
	check("never used", true)
	a, b := j.Session(t.Context(), &proxy.Info{Database: "x"}), j.Session(t.Context(), &proxy.Info{Database: "x", Replication: true})
	a.Close()
	now = now.Add(2 * unused)
	check("used", true)
	b.Close()
	check("left just now", true)
	now = now.Add(unused)
	check("left long ago", false)
	load(true)
	check("with triggers", true)
}
