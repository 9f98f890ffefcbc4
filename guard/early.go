package guard

import (
	"context"
	"errors"
	"strings"

	"github.com/rowback/rowback/proxy"
)

// readEarly reads the counters before a statement that commits by itself, in a
// transaction of its own: since PostgreSQL 18 a procedure may not commit where another
// statement was executed before it in the same implicit transaction, rowback's own
// included. nil: they are to be read as ever. It ends all portals. Only after Quiesce.
func (s *session) readEarly(ctx context.Context, w proxy.Wire, st judged) (*counts, error) {
	if s.view.snap.Version < 180000 && !blocksPipelines(w) || s.hasRun || w.TxStatus() != 'I' || w.Ignored() || s.lingers {
		return nil, nil
	}
	switch ticket, err := s.ticket(ctx, w); {
	case errors.Is(err, errServer):
		return nil, s.fault(w, err)
	case err != nil || ticket != "": // which has to be set in the statement's own transaction
		return nil, err
	}
	r := &run{s: s, w: w, st: st}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	sendQuery(w, r.countsQuery())
	sendQuery(w, "SELECT pg_catalog.pg_stat_force_next_flush()") // at Sync: then all counters are 0
	w.Send('S', nil)
	c, err := receiveCounts(ctx, w)
	if err == nil {
		_, err = receiveQuery(ctx, w)
	}
	if err != nil && !errors.Is(err, errServer) {
		return nil, err
	}
	for {
		typ, _, rerr := w.Receive(ctx)
		switch {
		case rerr != nil:
			return nil, rerr
		case typ == 'Z' && err != nil: // read as ever it meets the same
			return nil, nil
		case typ == 'Z':
			s.tx.unused = s.exchange
			return c.flushed(), nil
		}
	}
}

// flushed is a reading as it is once the server has added its counters up.
func (c counts) flushed() *counts {
	for o, t := range c.tables {
		t.deleted, t.changed = 0, 0
		c.tables[o] = t
	}
	zeros := strings.Fields(c.catalog)
	for i := range zeros {
		zeros[i] = "0"
	}
	c.xid, c.catalog = "", strings.Join(zeros, " ")
	return &c
}
