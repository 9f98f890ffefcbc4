package guard

import (
	"context"

	"github.com/rowback/rowback/internal/budget"
	"github.com/rowback/rowback/proxy"
)

// What a session has prepared stays as long as it does. Beyond a floor that no honest
// client comes near, that takes of the budget.
const (
	keptFloor = 1 << 20
	keptTimes = 2   // the text, and its captured form
	keptEach  = 512 // … and what else there is of a statement
)

// kept is about what a session's prepared statements take.
type kept struct {
	bytes int64 // at most, of statements; they are counted when that has grown beyond good
	good  int64 // what held is for
	held  int64 // of the session's share
}

// keep takes what one more prepared statement takes: budget.ErrFull, if there is no room.
func (s *session) keep(ctx context.Context, w proxy.Wire, body []byte) error {
	k, m := &s.kept, s.info.Memory
	if m == nil {
		return nil
	}
	more := int64(len(body)) + keptEach
	if k.bytes += more; k.bytes <= max(k.good, keptFloor) {
		return nil
	}
	if s.wasClean && !s.snapshotless('P', body) { // some may be gone
		s.prepared.text = true
		if err := s.relist(ctx, w); err != nil {
			return err
		}
	}
	k.bytes = more
	for _, p := range s.stmts {
		k.bytes += int64(len(p.st.Text)) + keptEach
	}
	good := k.bytes + k.bytes/4 // so that they are not counted each time
	takes := keptTimes * max(0, good-keptFloor)
	if takes > k.held {
		patience := budget.Patience
		if err := m.Take(takes-k.held, k.held, &patience); err != nil {
			k.bytes -= more
			return err
		}
	} else {
		m.Give(k.held - takes)
	}
	k.good, k.held = good, takes
	return nil
}

func (s *session) keepNothing() {
	s.info.Memory.Give(s.kept.held)
	s.kept = kept{}
}
