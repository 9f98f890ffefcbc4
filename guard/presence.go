package guard

import "time"

// presence is how many sessions are in a database, and when the last one left. It is
// guarded by Judge.mu.
type presence struct {
	sessions int
	left     time.Time
}

// unused is for how long nobody has been in a database whose catalog is forgotten: it
// may be gone, as those are that tests make for themselves.
const unused = time.Hour

func (j *Judge) enter(name string) *database {
	d := j.database(name)
	j.mu.Lock()
	defer j.mu.Unlock()
	d.presence.sessions++
	return d
}

func (j *Judge) exit(d *database) {
	j.mu.Lock()
	defer j.mu.Unlock()
	p := &d.own().presence
	p.sessions--
	p.left = j.o.Now()
}

// unload forgets the catalogs of databases that nobody uses. What else is known of them is
// little, and stays.
func (j *Judge) unload() {
	j.mu.Lock()
	defer j.mu.Unlock()
	now := j.o.Now()
	for _, d := range j.databases {
		if p := d.presence; p.sessions > 0 || p.left.IsZero() || now.Sub(p.left) < unused {
			continue
		}
		for _, d := range []*database{d, d.other} {
			if v := d.view.Load(); v != nil && !v.secret.installed { // what is recorded there is collected by it
				d.view.Store(nil)
			}
		}
	}
}
