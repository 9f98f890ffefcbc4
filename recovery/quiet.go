package recovery

import (
	"context"
	"fmt"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// hush keeps triggers quiet until rows are written, if the role may: event triggers fire
// at temporary tables, too, and code that forbids DDL, or is not made for our
// search_path, would stop the restore. A connection that is gone the next statement finds.
func (r *restore) hush(ctx context.Context) {
	r.hushed = r.production.exec(ctx, "SET session_replication_role = replica") == nil
}

// quietly settles whether triggers are quiet from here to the end of the transaction.
func (r *restore) quietly(ctx context.Context, quiet bool) error {
	switch {
	case quiet:
		return r.production.exec(ctx, "SET LOCAL session_replication_role = replica")
	case r.hushed:
		return r.production.exec(ctx, "SET LOCAL session_replication_role = origin")
	}
	return nil // it may not be set, and is not replica: see refuseQuiet
}

// byEvents names the event triggers of production where code that fired at our
// temporary tables failed.
func (r *restore) byEvents(ctx context.Context, err error) error {
	if r.production == nil || !strings.Contains(sqlContext(err), "function ") {
		return err
	}
	fire := "OA"
	if r.hushed {
		fire = "RA"
	}
	rows, askErr := r.production.rows(ctx, fmt.Sprintf("SELECT string_agg(quote_ident(evtname), ', ' ORDER BY evtname) FROM pg_event_trigger WHERE strpos('%s', evtenabled::text) > 0 AND evtevent LIKE 'ddl%%'", fire))
	if askErr != nil || rows[0][0] == nil {
		return err
	}
	return refuse(Unfit, fmt.Sprintf("%v: event triggers of production fire at the temporary tables that rows are staged in (%s); restore as a role that may set session_replication_role, or have them disabled for the time (ALTER EVENT TRIGGER … DISABLE)", err, *rows[0][0]))
}

// probeReplica finds out whether triggers can be kept quiet: by asking the
// server to do it, in a transaction that is rolled back. With foreign keys
// quiet we lock their parents ourselves, which takes UPDATE on them.
func (r *restore) probeReplica(ctx context.Context, parents []*catalog.Table) error {
	r.replica, r.why, r.mend = false, "", ""
	err := r.production.exec(ctx, "BEGIN; SET LOCAL session_replication_role = replica")
	if rollbackErr := r.production.exec(ctx, "ROLLBACK"); rollbackErr != nil {
		return rollbackErr
	}
	if err != nil {
		if err := r.refuseQuiet(ctx); err != nil {
			return err
		}
		r.why = "this role may not set session_replication_role"
		rows, err := r.production.rows(ctx, "SELECT current_setting('server_version_num')::int >= 150000, quote_ident(current_user)")
		if err != nil {
			return err
		}
		r.mend = "restore as a superuser"
		if *rows[0][0] == "t" {
			r.mend = "have a superuser run: GRANT SET ON PARAMETER session_replication_role TO " + *rows[0][1] + ";"
		}
		return nil
	}
	var needs []need
	for _, p := range parents {
		needs = append(needs, need{fmt.Sprintf("has_any_column_privilege(%d::oid, 'UPDATE')", p.OID), "GRANT UPDATE ON " + display(p)})
	}
	missing, err := r.production.missing(ctx, needs)
	if err != nil {
		return err
	}
	if r.replica = len(missing) == 0; !r.replica {
		r.why = "this role may not lock rows of every parent table (UPDATE)"
		r.mend = "grant this role UPDATE on every parent table of what is restored"
	}
	return nil
}

// refuseQuiet refuses a role whose sessions keep triggers quiet and that may not change
// that: those of foreign keys are among them, which lock the parents.
func (r *restore) refuseQuiet(ctx context.Context) error {
	rows, err := r.production.rows(ctx, "SELECT current_setting('session_replication_role') = 'replica', quote_ident(session_user)")
	if err != nil || *rows[0][0] != "t" {
		return err
	}
	return refuse(Denied, fmt.Sprintf("production: sessions of this role have session_replication_role = replica, and it may not set it: no foreign key would be enforced while rows go in, nor could we do it; have a superuser run: ALTER ROLE %s SET session_replication_role = origin;", *rows[0][1]))
}
