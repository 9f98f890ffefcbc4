package protect

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// SessionSQL is an expression, of type text, that names the server process a
// session has: its pid and when it started, which no other process shares. Of a
// session that has set a role the start may be hidden: ask before the client
// can, at the session's first guarded statement at the latest.
const SessionSQL = "(SELECT pg_catalog.concat(pg_catalog.pg_backend_pid(), ' '," +
	" pg_catalog.round(pg_catalog.date_part('epoch', a.backend_start) OPERATOR(pg_catalog.*) 1000000::pg_catalog.float8)::pg_catalog.int8)" +
	" FROM pg_catalog.pg_stat_get_activity(pg_catalog.pg_backend_pid()) a)"

// Ticket tells the triggers that the proxy answers for what a session runs
// while it is set. session is what SessionSQL gave there; secret is Secret's. It
// is worth nothing in any other session, and cannot be made without the secret.
// "" if session is not complete: then the triggers count beside the proxy.
func Ticket(secret, session string) string {
	pid, start, _ := strings.Cut(session, " ")
	if secret == "" || pid == "" || start == "" {
		return ""
	}
	sum := sha256.Sum256([]byte(secret + " " + session))
	return hex.EncodeToString(sum[:])
}

// SetTicket is an expression that sets a ticket until the transaction ends or it
// is set anew; "" takes it back. A savepoint rolled back brings back what was set
// before it.
func SetTicket(ticket string) string {
	return "pg_catalog.set_config('rowback.ticket', '" + ticket + "', true)"
}

// Secret is the database's secret; false if the guard is not installed there.
// The role needs USAGE on schema rowback and SELECT on rowback.secret (Install
// grants it to InstallOptions.Proxy).
func Secret(ctx context.Context, q catalog.Querier) (secret string, installed bool, err error) {
	rows, err := q.Query(ctx, "SELECT 1 FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace"+
		" WHERE n.nspname OPERATOR(pg_catalog.=) 'rowback' AND c.relname OPERATOR(pg_catalog.=) 'secret'")
	if err != nil || len(rows) == 0 {
		return "", false, err
	}
	rows, err = q.Query(ctx, "SELECT secret FROM rowback.secret")
	if err != nil || len(rows) != 1 || rows[0][0] == nil {
		return "", false, err
	}
	return *rows[0][0], true, nil
}
