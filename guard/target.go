package guard

import (
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/sqlparse"
)

// maxTargets bounds a session's targets.
const maxTargets = 64

// targets remembers what the targets of a session's DELETEs turned out to be,
// so that a stream of them, whatever their literals, is looked up once. Each is
// checked again in the run itself (see run.renamed) and forgotten after a while.
type targets map[targetKey]meaning

type targetKey struct {
	name sqlparse.Name
	only bool
}

// meaning is what a name means in the session.
type meaning struct {
	table      *catalog.Table  // nil: not known
	unreadable map[uint32]bool // of its cascades and itself, what the session's user may not read
	unlockable map[uint32]string
	epoch      int
	view       *view
	at         time.Time
}

// get returns what is known and still holds in s, zero if nothing.
func (m targets) get(st judged, s *session) meaning {
	t := m[targetKey{st.Target, st.Only}]
	if t.epoch != s.epoch || t.view != s.view || s.j.o.Now().Sub(t.at) > s.j.o.Refresh {
		return meaning{}
	}
	return t
}

func (m *targets) put(st judged, s *session, t meaning) {
	if *m == nil {
		*m = targets{}
	}
	t.epoch, t.view, t.at = s.epoch, s.view, s.j.o.Now()
	if len(*m) >= maxTargets {
		clear(*m)
	}
	(*m)[targetKey{st.Target, st.Only}] = t
}
