package guard

import (
	"cmp"
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// walsender is a connection for logical replication. The server takes SQL on it, but
// in simple Queries only, so that nothing can be counted before it commits: what may
// remove rows is refused as uncountable, or has an entry without numbers.
type walsender struct {
	*session
	defines bool // it has changed the catalog: what it knows of that is nobody else's, perhaps
}

// Wants implements proxy.Session. Commands for replication have a grammar of their own.
func (s *walsender) Wants(typ byte, body []byte) bool {
	s.renew()
	return typ == 'Q' && !s.rules.off && !sqlparse.Replication(body)
}

// Message implements proxy.Session.
func (s *walsender) Message(ctx context.Context, w proxy.Wire, _ byte, body []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || w.TxStatus() == 'E' {
		w.Forward()
		return nil
	}
	defer s.unreckon()
	if s.reckon('Q', body) != nil {
		return s.deny(ctx, w, noRoomError())
	}
	sql, _, _ := cut(body)
	view, err := s.look(ctx, w)
	if err != nil {
		return err
	}
	removes, defines := judged{}, false
	for _, st := range view.parse(string(sql), s.statements(w, string(sql))).stmts {
		if st.route != routePlain && st.route != routeControl || s.rules.counts(&st) || defines {
			removes = st
			break
		}
		defines = st.DDL // what stands behind it may use it
	}
	if removes.Text == "" {
		if s.defines = s.defines || defines; !defines {
			w.Forward()
			return nil
		}
		_, err := s.exchange(ctx, w, body, nil)
		s.db.misread()
		return err
	}
	s.defines = true
	removes.why = "it runs on a connection for replication"
	if rule := s.rules.strict(); refuses(rule.Mode) && rule.Uncountable != policy.Allow {
		x := refusal{verb: verbOf(removes), sql: removes.Text,
			verdict: verdict{rule: rule, limit: notRows, reason: uncountable, what: "is refused: it cannot be counted before it commits: " + removes.why}}
		e := s.blockedEntry(x)
		s.noteBlocked(ctx, e, "")
		return s.deny(ctx, w, x.error(e.ID, s.subject()))
	}
	e, refusal := s.noteUnnumbered(ctx, removes)
	if refusal != nil {
		return s.deny(ctx, w, refusal)
	}
	failed, err = s.exchange(ctx, w, body, nil)
	outcome := journal.Committed // in a transaction block it may still be rolled back: then the entry says too much
	if failed {
		outcome = journal.RolledBack
	}
	s.j.record(context.WithoutCancel(ctx), s.db, e, outcome)
	return err
}

// statements are those of a text, by the session's settings.
func (s *walsender) statements(w proxy.Wire, sql string) []sqlparse.Statement {
	return sqlparse.ParseBackslash(sql, w.Parameter("standard_conforming_strings") == "on", w.Parameter("client_encoding"))
}

// look reads the catalog, unless it is known.
func (s *walsender) look(ctx context.Context, w proxy.Wire) (*view, error) {
	if v := s.db.view.Load(); v != nil && !s.defines && !s.db.outdated.Load() {
		if stale, _ := s.db.stale(v); !stale {
			return v, nil
		}
	}
	snap, err := s.load(ctx, w)
	switch {
	case errors.Is(err, errServer):
		return newView(&catalog.Snapshot{Database: s.db.name, Reach: catalog.Reach{Everything: "the catalog could not be read"}}), nil
	case err != nil:
		return nil, err
	}
	return newView(snap), nil
}

// load reads the catalog in the client's transaction, or in one of its own.
func (s *walsender) load(ctx context.Context, w proxy.Wire) (snap *catalog.Snapshot, err error) {
	q := simple{w}
	if w.TxStatus() == 'I' {
		if _, err := q.Query(ctx, "BEGIN ISOLATION LEVEL READ COMMITTED"); err != nil {
			return nil, err
		}
		defer func() {
			if err == nil || errors.Is(err, errServer) {
				_, ended := q.Query(ctx, "ROLLBACK")
				err = cmp.Or(err, ended)
			}
		}()
	}
	err = atEase(ctx, q, func() (err error) {
		snap, err = catalog.Load(ctx, q)
		return err
	})
	return snap, err
}

// deny has the server fail a Query, so that an open transaction fails as well, and
// gives the client e for its error.
func (s *walsender) deny(ctx context.Context, w proxy.Wire, e *pgproto3.ErrorResponse) error {
	_, err := s.exchange(ctx, w, []byte("rowback refuses the statement\x00"), errorBody(e))
	return err
}

// exchange runs a Query and passes its answers on, but for an error in whose place
// there is another. failed: there was one.
func (s *walsender) exchange(ctx context.Context, w proxy.Wire, query, instead []byte) (failed bool, err error) {
	w.Send('Q', query)
	for {
		typ, body, err := w.Receive(ctx)
		if err != nil {
			return true, err
		}
		if typ == 'E' {
			if failed = true; instead != nil {
				body = instead
			}
		}
		if err := w.Reply(typ, body); err != nil {
			return failed, err
		}
		switch typ {
		case 'G':
			if err := w.CopyIn(ctx); err != nil {
				return true, err
			}
		case 'Z':
			return failed, nil
		}
	}
}

// simple runs queries as simple Queries.
type simple struct{ w proxy.Wire }

// Query implements catalog.Querier.
func (q simple) Query(ctx context.Context, sql string) (rows [][]*string, err error) {
	defer q.w.Unmute(q.w.Mute(own))
	q.w.Send('Q', append([]byte(sql), 0))
	for {
		typ, body, rerr := q.w.Receive(ctx)
		if rerr != nil {
			return nil, rerr
		}
		switch typ {
		case 'D':
			cols, err := columns(body)
			if err != nil {
				return nil, err
			}
			rows = append(rows, texts(cols))
		case 'E':
			err = refused(body)
		case 'Z':
			return rows, err
		}
	}
}
