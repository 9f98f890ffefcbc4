package doctor

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/protect"
)

// aroundTheProxy is the name of these checks.
const aroundTheProxy = "around the proxy"

// protection: the triggers that hold the limits around the proxy.
func (e *examination) protection(ctx context.Context) {
	if e.production == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	rows, err := e.production.Rows(ctx, "SELECT current_database()")
	if err != nil {
		return // the production check says so
	}
	config, err := pgx.ParseConfig(e.o.Production)
	if err != nil {
		return
	}
	config.Database = *rows[0][0]
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		e.fail(aroundTheProxy, "let this role connect once more", "%s", said(err))
		return
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }() // only read from
	status, err := protect.ReadStatus(ctx, conn, nil)
	switch {
	case err != nil:
		e.warn(aroundTheProxy, toRead(err), "%s", said(err))
		return
	case !status.Installed:
		e.note(aroundTheProxy, "nothing is installed: what goes past the proxy is neither limited nor recorded (rowback protect install)")
		return
	case len(status.Tables) == 0:
		e.note(aroundTheProxy, "no table has triggers (any more): what goes past the proxy is neither limited nor recorded; schema rowback keeps what was (rowback protect collect brings it in, rowback protect remove --all --purge takes the schema away)")
		return
	case status.OK():
		e.ok(aroundTheProxy, "triggers on %d tables are as they should be", len(status.Tables))
	default:
		c := Check{Name: aroundTheProxy, Status: Warn, Seen: "some triggers are not as they should be", Mend: "rowback protect install"}
		for _, t := range status.Tables {
			for _, p := range t.Problems {
				c.List = append(c.List, t.Schema+"."+t.Table+": "+p)
			}
		}
		e.add(c)
	}
	e.secret(ctx, conn)
}

// secret: the proxy's role may read what its tickets are made of.
func (e *examination) secret(ctx context.Context, conn *pgx.Conn) {
	const mend = "rowback protect install --proxy-role %s"
	if !e.o.Control {
		e.warn(aroundTheProxy, "give upstream a role and password, and let it: "+fmt.Sprintf(mend, "ROLE"),
			"the proxy has no control connection: the triggers count beside it, and what they record comes in by rowback protect collect alone")
		return
	}
	upstream, err := pgx.ParseConfig(e.o.Upstream)
	if err != nil {
		return // the upstream's check says so
	}
	var may bool
	err = conn.QueryRow(ctx, `SELECT COALESCE(bool_and(has_schema_privilege(r.oid, 'rowback', 'USAGE') AND has_table_privilege(r.oid, 'rowback.secret', 'SELECT')
		AND has_table_privilege(r.oid, 'rowback.evidence', 'SELECT') AND has_column_privilege(r.oid, 'rowback.evidence', 'collected', 'UPDATE')), false)
		FROM pg_roles r WHERE r.rolname = $1`, upstream.User).Scan(&may)
	switch {
	case err != nil:
		e.warn(aroundTheProxy, "let this role read schema rowback", "whether the proxy may read the triggers' secret is not known: %s", said(err))
	case !may:
		e.warn(aroundTheProxy, fmt.Sprintf(mend, upstream.User), "the proxy's role %s may not read the triggers' secret: they count beside it, and their limits hold for what comes through it", upstream.User)
	default:
		e.ok(aroundTheProxy, "the triggers leave to the proxy what comes through it")
	}
}
