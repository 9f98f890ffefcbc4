package backup

import (
	"context"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/recovery"
)

// DropDatabase drops a database if it is there, and ends the sessions in it
// first; s is a session in another one. WITH (FORCE) would not do: it ends
// autovacuum workers too, which a role that is no superuser may not (42501),
// while a plain DROP DATABASE makes them leave.
func DropDatabase(ctx context.Context, s *recovery.Session, name string) error {
	for {
		ended, err := EndSessions(ctx, s, name)
		if err != nil {
			return err
		}
		if ended == 0 {
			return s.Exec(ctx, "DROP DATABASE IF EXISTS "+pgx.Identifier{name}.Sanitize())
		}
		select { // they end by and by
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// EndSessions tells the sessions in a database to end, and says how many there
// were. Workers of the server's own, which have no user, are left alone.
func EndSessions(ctx context.Context, s *recovery.Session, name string) (int64, error) {
	return s.Number(ctx, "SELECT count(pg_catalog.pg_terminate_backend(pid)) FROM pg_catalog.pg_stat_activity WHERE datname = '"+
		strings.ReplaceAll(name, "'", "''")+"' AND usesysid IS NOT NULL")
}
