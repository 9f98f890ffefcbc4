package guard

import "github.com/rowback/rowback/catalog"

// growth is what of the catalog may delete now and did not by the view before.
type growth struct {
	any    bool // something, new or not
	called bool // something that there was, when it is called or read: a cursor may, at COMMIT too
}

func (v *view) growth(old *view) growth {
	if !v.reachesMore(old) {
		return growth{}
	}
	return growth{any: true, called: v.snap.Turned(old.snap)}
}

// anyOpen asks whether a cursor is open, or a portal bound.
const anyOpen = "SELECT EXISTS (SELECT FROM pg_catalog.pg_cursors WHERE name OPERATOR(pg_catalog.<>) '" + private + "')::pg_catalog.text"

// reaches: what was opened or bound before in the transaction may delete now.
func (t *transaction) reaches(g growth) {
	t.fetchable, t.holding = t.fetchable || g.any, t.holding || g.called
}

// reachesMore reports whether something that may delete now may not have before.
func (v *view) reachesMore(old *view) bool {
	if v == old {
		return false
	}
	more := func(now, before map[string]catalog.Why) bool {
		for name := range now {
			if _, ok := before[name]; !ok {
				return true
			}
		}
		return false
	}
	if more(v.snap.Reach.Names, old.snap.Reach.Names) || more(v.snap.Reach.Reads, old.snap.Reach.Reads) {
		return true
	}
	return v.snap.Reach.Everything != "" && v.snap.Reach.Everything != old.snap.Reach.Everything
}
