package guard

import "context"

// takeTime reads the session's limits, and lifts that of a statement, for as long as the
// transaction lasts. A lock is waited for as long as the client's own statement would have
// waited. Compiling what reads the catalog takes a hundred times as long as running it.
const takeTime = "SELECT w.t, w.l, w.j, pg_catalog.set_config('statement_timeout', '0', true), pg_catalog.set_config('lock_timeout', CASE WHEN w.l OPERATOR(pg_catalog.=) '0' THEN w.t ELSE w.l END, true), " + jitOff +
	" FROM (SELECT pg_catalog.current_setting('statement_timeout') AS t, pg_catalog.current_setting('lock_timeout') AS l, pg_catalog.current_setting('jit') AS j OFFSET 0) w WHERE w.t OPERATOR(pg_catalog.<>) '0' OR w.j OPERATOR(pg_catalog.=) 'on'"

const jitOff = "pg_catalog.set_config('jit', 'off', true)"

// look reads what the catalog says now. Amid the client's transaction that may take longer
// than one of its own statements may.
func (s *session) look(ctx context.Context, q lookup) (*view, error) {
	var was []*string
	if !q.own {
		rows, err := q.Query(ctx, takeTime)
		if err != nil {
			return nil, err
		}
		if len(rows) > 0 {
			was = rows[0]
		}
	}
	v, err := s.load(ctx, q)
	if err == nil {
		err = s.lookAtTemps(ctx, q, v)
	}
	if err == nil && was != nil {
		_, err = q.Query(ctx, "SELECT pg_catalog.set_config('statement_timeout', "+literal(text(was[0]))+", true), pg_catalog.set_config('lock_timeout', "+literal(text(was[1]))+", true), pg_catalog.set_config('jit', "+literal(text(was[2]))+", true)")
	}
	return v, err
}
