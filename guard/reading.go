package guard

import (
	"maps"
	"slices"
	"time"
)

// reading is what has been found out about an entry in doubt by the server's run: it
// is not read again at each look.
type reading struct {
	aftermath
	run time.Time // zero: not known

	its   map[string]bool // the entry's own rows; see firstRows
	seen  int             // rows of later entries
	until time.Time       // what came later than that has been read
	// lasts: nothing is added any more to what there is to be read, and done: that is all.
	lasts, done bool
	unsure      bool // some of the rows may have been removed by what is in doubt itself

	final error     // it can never be told in this run, and why
	again time.Time // when somebody looks whether another proxy could
	late  int       // how often the journal took too long over it
}

// reading must only be called while settling is held, as keepReadings.
func (d *database) reading(id string, run time.Time) *reading {
	r := d.readings[id]
	if r == nil || !r.run.Equal(run) {
		if d.readings == nil {
			d.readings = map[string]*reading{}
		}
		r = &reading{run: run}
		d.readings[id] = r
	}
	return r
}

// keepReadings forgets those of others than these, which are sorted.
func (d *database) keepReadings(ids []string) {
	maps.DeleteFunc(d.readings, func(id string, _ *reading) bool {
		_, in := slices.BinarySearch(ids, id)
		return !in
	})
}

// rests reports whether it is too early to look again at what can never be told.
func (r *reading) rests(now time.Time) bool {
	left := r.again.Sub(now)
	return left > 0 && left <= resting
}

// ends notes why what was read cannot tell, for good if there is no more of it.
func (r *reading) ends(why error) error {
	if r.done {
		r.final = why
	}
	return why
}
