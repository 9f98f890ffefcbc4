package guard

import (
	"context"
	"errors"
	"strconv"

	"github.com/rowback/rowback/proxy"
)

// functionCall counts a call of a function that is not PostgreSQL's own.
func (s *session) functionCall(ctx context.Context, w proxy.Wire, body []byte) error {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return err
	}
	if failed || len(body) < 4 || oid(body) < firstUserOID || w.TxStatus() == 'E' {
		w.Forward()
		return nil
	}
	number := strconv.FormatUint(uint64(oid(body)), 10)
	rows, err := lookup{w: w}.Query(ctx, "SELECT pg_catalog.lower(proname::pg_catalog.text) FROM pg_catalog.pg_proc WHERE oid OPERATOR(pg_catalog.=) "+number)
	if errors.Is(err, errServer) {
		err = s.fault(w, err)
		w.Send('S', nil)
		return unlessFailed(err)
	}
	if err != nil {
		return err
	}
	why := s.view.snap.Reach.Everything
	if len(rows) == 1 && why == "" {
		why = string(s.view.snap.Reach.Names[text(rows[0][0])])
	}
	if why == "" || s.j.policy().Mode != Block || s.j.policy().Uncountable == Allow {
		if why != "" {
			s.j.o.Logger.Warn("a statement that cannot be counted goes through", "database", s.db.name, "user", s.info.User, "what", "FunctionCall: "+why)
		}
		w.Forward()
		return nil
	}
	err = s.blocked(ctx, w, s.open(w).mark(""), "FunctionCall", "is refused: it cannot be counted before it commits ("+why+"); call the function with SELECT", "FunctionCall "+number, nil)
	if !errors.Is(err, errFailed) {
		return err
	}
	w.Send('S', nil) // the server answers a FunctionCall with ReadyForQuery
	return nil
}
