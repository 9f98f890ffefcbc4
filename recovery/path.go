package recovery

import (
	"context"
	"fmt"
)

// A session's search_path is safePath for everything that rowback says: what others
// have put into a schema of the role's own path must not stand in for a function or an
// operator of pg_catalog, which would run as this role. Types print with their
// schemas, and values of types that are not pg_catalog's are compared by their type's
// own operators (see equality.go).
//
// What people wrote, and code that writes to tables set off (triggers, functions of
// defaults, constraints), has the role's path, as in any session of the role: see
// own and change. Of rowback's own such statements have nothing that it could change.
const safePath = "pg_catalog, pg_temp"

// pathSQL is the role's own path: the schemas in it that are there, then those of
// extensions. pg_catalog comes first, as it does where it is not named.
const pathSQL = `SELECT pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY i, s) FROM (
	SELECT s, pg_catalog.min(i) AS i FROM (
		SELECT s::pg_catalog.text, i FROM ROWS FROM (pg_catalog.unnest(pg_catalog.current_schemas(false))) WITH ORDINALITY x(s, i)
		UNION ALL SELECT n.nspname::pg_catalog.text, 1000 FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) e.extnamespace
		WHERE n.nspname OPERATOR(pg_catalog.<>) 'public') a
	WHERE s OPERATOR(pg_catalog.<>) 'pg_catalog' AND NOT pg_catalog.starts_with(s, 'pg_temp_') GROUP BY s) b`

// guardPath learns the role's path, and takes the safe one. It comes first in a session.
func (s *side) guardPath(ctx context.Context) error {
	rows, err := s.rows(ctx, pathSQL)
	if err != nil {
		return err
	}
	s.path = "''"
	if rows[0][0] != nil {
		s.path = *rows[0][0]
	}
	return s.exec(ctx, "SET search_path = "+safePath)
}

// own does, with the role's path, what is not rowback's own SQL alone.
func (s *side) own(ctx context.Context, do func() error) error {
	if err := s.exec(ctx, "SET search_path = "+s.path); err != nil {
		return err
	}
	if err := do(); err != nil {
		if s.conn.PgConn().TxStatus() != 'E' && !s.conn.IsClosed() { // else the end of the transaction takes it back
			_ = s.exec(context.WithoutCancel(ctx), "SET search_path = "+safePath)
		}
		return err
	}
	return s.exec(ctx, "SET search_path = "+safePath)
}

// change is affect for a statement that writes to tables of the user's, within a transaction.
func (s *side) change(ctx context.Context, sql string) (int64, error) {
	results, err := s.conn.PgConn().Exec(ctx, s.openly(sql)).ReadAll()
	if err != nil {
		return 0, s.explain(err)
	}
	return results[len(results)-2].CommandTag.RowsAffected(), nil
}

// openly is one statement between the two paths.
func (s *side) openly(sql string) string {
	return fmt.Sprintf("SET LOCAL search_path = %s; %s; SET LOCAL search_path = %s", s.path, sql, safePath)
}
