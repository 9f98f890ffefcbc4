package guard

import (
	"context"

	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// quiet knows the prepared statements before which no look at the catalog is needed, nor
// may be made: SET TRANSACTION and the like (sqlparse.Snapshotless).
type quiet struct {
	unnamed bool
	in      int // the exchange in which alone the unnamed one is surely that; 0: in any
	named   map[string]struct{}
	// alone is the text of the unnamed one, likewise, if nothing may run before it (sqlparse.Lonely,
	// Blockish): it is not known elsewhere, and what is not is counted, which would not leave it alone.
	alone string
}

// maxQuiet bounds the names.
const maxQuiet = 100

// parsed notes a Parse that is sent on. Behind others it may be discarded, and then leaves
// the unnamed statement as it was.
func (q *quiet) parsed(name, text []byte, is, first bool, exchange int) {
	if len(name) > 0 {
		delete(q.named, string(short(name)))
		return
	}
	if q.unnamed, q.in = is, exchange; first {
		q.in = 0
	}
	if q.alone = ""; (sqlparse.Lonely(text) || sqlparse.Blockish(text)) && len(text) <= maxCachedText {
		q.alone = string(text)
	}
}

// knows reports whether the unnamed statement is surely the one parsed last.
func (q *quiet) knows(exchange int) bool { return q.in == 0 || q.in == exchange }

// succeeded notes that such a statement is there by that name.
func (q *quiet) succeeded(name string) {
	if len(q.named) >= maxQuiet {
		return
	}
	if q.named == nil {
		q.named = map[string]struct{}{}
	}
	q.named[name] = struct{}{}
}

// isQuiet reports whether a statement is surely one of them.
func (s *session) isQuiet(name []byte) bool {
	q := &s.prepared.quiet
	if len(name) == 0 {
		return q.unnamed && q.knows(s.exchange)
	}
	_, is := q.named[string(name)]
	return is && !s.prepared.text
}

// parseQuiet handles the Parse of one with a name, which another statement may have.
func (s *session) parseQuiet(ctx context.Context, w proxy.Wire, name string) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	w.Forward()
	if failed {
		return nil
	}
	w.Send('H', nil)
	typ, body, err := w.Receive(ctx)
	if err != nil {
		return err
	}
	if typ == '1' {
		s.prepared.quiet.succeeded(name)
	}
	return w.Reply(typ, body)
}

// snapshotless: a message of what needs no look at the catalog, and must not have one
// before it in its transaction: SET TRANSACTION, COMMIT PREPARED.
func (s *session) snapshotless(typ byte, body []byte) bool {
	switch typ {
	case 'B':
		_, rest, _ := cut(body)
		name, _, _ := cut(rest)
		return s.stmts[string(short(name))].snapshotless() || s.isQuiet(short(name))
	case 'E':
		name, _, _ := cut(body)
		p := s.portals[string(short(name))]
		return p != nil && p.prepared.snapshotless()
	case 'Q':
		return sqlparse.Snapshotless(body)
	case 'P':
		_, rest, _ := cut(body)
		text, _, _ := cut(rest)
		return sqlparse.Snapshotless(text)
	}
	return false
}
