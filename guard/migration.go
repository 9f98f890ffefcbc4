package guard

import (
	"regexp"

	"github.com/rowback/rowback/proxy"
)

// A statement that waits for what another session's DDL has locked is judged before that
// commits, and runs after: by triggers, rules and defaults that there were none of. So
// from when such DDL is sent until its transaction has ended all is counted.

// migrates notes that DDL is about to be sent. Only after Quiesce.
func (s *session) migrates(w proxy.Wire, st judged) {
	if !st.DDL || st.Temporary || st.Shapes && st.route == routePlain || newborn.MatchString(st.Text) || s.aborted(w) || !s.migrating.CompareAndSwap(nil, s.db) {
		return
	}
	s.db.migrating.Add(1)
	w.OnIdle(s.migrated)
}

// migrated: the transaction has ended. Also called by who reads the server.
func (s *session) migrated() {
	if db := s.migrating.Swap(nil); db != nil {
		db.announce()
		db.migrating.Add(-1)
	}
}

// beside reports whether another session changes what statements do.
func (s *session) beside() bool {
	n := s.db.migrating.Load()
	return n > 1 || n == 1 && s.migrating.Load() != s.db
}

// newborn is DDL of what nobody else can wait for yet, or needs no lock for.
var newborn = regexp.MustCompile(`(?is)^\s*(select|with|create\s+(or\s+replace\s+)?(unlogged\s+|procedural\s+|trusted\s+)*(function|procedure|aggregate|table|schema|role|user|database|extension|sequence|server|language)|do|call)\b`)
