package guard

import (
	"context"

	"github.com/rowback/rowback/catalog"
)

// takeTime reads the session's limits, and lifts that of a statement, for as long as the
// transaction lasts. A lock is waited for as long as the client's own statement would have
// waited. Compiling what reads the catalog takes a hundred times as long as running it.
const takeTime = "SELECT w.t, w.l, w.j, pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', CASE WHEN w.l OPERATOR(pg_catalog.=) '0' THEN w.t ELSE w.l END, true), " + jitOff +
	" FROM (SELECT pg_catalog.current_setting('statement_timeout') AS t, pg_catalog.current_setting('lock_timeout') AS l, pg_catalog.current_setting('jit') AS j OFFSET 0) w WHERE w.t OPERATOR(pg_catalog.<>) '0' OR w.j OPERATOR(pg_catalog.=) 'on'"

const jitOff = "pg_catalog.set_config('jit', 'off', true)"

// atEase runs do, which reads the catalog, amid a transaction of the client's: that may take
// longer than one of its own statements may.
func atEase(ctx context.Context, q catalog.Querier, do func() error) error {
	was, err := q.Query(ctx, takeTime)
	if err != nil {
		return err
	}
	if err = do(); err != nil || len(was) == 0 {
		return err
	}
	_, err = q.Query(ctx, "SELECT pg_catalog.set_config('statement_timeout', "+literal(text(was[0][0]))+", true), pg_catalog.set_config('lock_timeout', "+literal(text(was[0][1]))+", true), pg_catalog.set_config('jit', "+literal(text(was[0][2]))+", true)")
	return err
}

// look reads what the catalog says now.
func (s *session) look(ctx context.Context, q lookup) (v *view, err error) {
	look := func() error {
		if v, err = s.load(ctx, q); err == nil {
			err = s.lookAtTemps(ctx, q, v)
		}
		return err
	}
	if q.own {
		err = look()
	} else {
		err = atEase(ctx, q, look)
	}
	return v, err
}
