package doctor

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

// application is what the servers see us as.
const application = "rowback doctor"

// productionDatabase: reachable, as what a restore would be, and fit for counting.
func (e *examination) productionDatabase(ctx context.Context) {
	s, err := e.open(ctx, "production", e.o.Production)
	if err != nil {
		e.fail("production", unreached("production"), "%v", err)
		return
	}
	e.production = s
	before := e.o.Now()
	rows, err := s.Rows(ctx, `SELECT current_setting('server_version'), pg_is_in_recovery(), current_setting('track_counts'),
		has_function_privilege('public', 'pg_catalog.pg_stat_get_xact_tuples_deleted(oid)', 'EXECUTE'),
		extract(epoch FROM clock_timestamp())::text,
		(SELECT string_agg(coalesce(r.rolname, 'every role') || coalesce(' in ' || d.datname, ''), ', ' ORDER BY 1) FROM pg_db_role_setting x
		 LEFT JOIN pg_roles r ON r.oid = x.setrole LEFT JOIN pg_database d ON d.oid = x.setdatabase
		 WHERE EXISTS (SELECT FROM unnest(x.setconfig) c WHERE c ~* '^track_counts=(off|false|no|n|f|0|of)$'))`)
	took := e.o.Now().Sub(before)
	if err != nil {
		e.fail("production", toRead(err), "%v", err)
		return
	}
	v := rows[0]
	e.ok("production", "%s, PostgreSQL %s", s.Where(), *v[0])
	if *v[1] == "t" {
		e.fail("production", "name its primary with --production", "it is a read-only standby: nothing can be restored into it")
	}
	e.counting(*v[2], v[5], *v[3])
	e.clock(before.Add(took/2), took, *v[4])
}

// unreached is the mend where there is no session.
func unreached(name string) string {
	return "start its server, or give its address, with role and database, with --" + name + ", such as postgres://user@host/database"
}

// open is as a restore does it: in the database of the newest deletion, if the
// address names none.
func (e *examination) open(ctx context.Context, name, url string) (*recovery.Session, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	database := ""
	if len(e.seenDatabases) > 0 {
		database = e.seenDatabases[0]
	}
	return recovery.OpenIn(ctx, name, url, database, application)
}

// counting: the guard's numbers are the server's own.
func (e *examination) counting(tracks string, not *string, execute string) {
	switch {
	case tracks != "on":
		e.fail("counting", "set track_counts to on, everywhere it is set (postgresql.conf, ALTER DATABASE, ALTER ROLE)", "track_counts is off: the server does not count the rows that are removed")
	case not != nil:
		e.fail("counting", "ALTER ROLE … RESET track_counts, or ALTER DATABASE … RESET track_counts", "track_counts is off for %s: what they remove is not counted", *not)
	case execute != "t":
		e.fail("counting", "GRANT EXECUTE ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_deleted(oid) TO PUBLIC", "clients may not read the server's counters (pg_stat_get_xact_tuples_deleted)")
	default:
		e.ok("counting", "the server counts, and clients may read its counters")
	}
}

// skewed is by how much clocks may differ: the journal's times are this host's,
// and people look for them by the server's.
const skewed = 2 * time.Second

func (e *examination) clock(here time.Time, took time.Duration, there string) {
	seconds, err := strconv.ParseFloat(there, 64)
	if err != nil {
		e.warn("clock", "", "the server's is not known: %v", err)
		return
	}
	skew := time.UnixMicro(int64(seconds * 1e6)).Sub(here)
	if skew.Abs() <= skewed+took/2 {
		e.ok("clock", "this host's and the server's agree")
		return
	}
	direction := "ahead of"
	if skew < 0 {
		direction = "behind"
	}
	e.warn("clock", "set both hosts' clocks by NTP", "the server's is %s %s this host's: times in the journal are this host's", skew.Abs().Round(time.Second), direction)
}

// recoveryDatabase: reachable, another database, and a copy that stays one.
func (e *examination) recoveryDatabase(ctx context.Context) {
	if e.o.Recovery == "" {
		e.noRecovery(ctx)
		return
	}
	s, err := e.open(ctx, "recovery", e.o.Recovery)
	if err != nil {
		e.fail("recovery", unreached("recovery"), "%v", err)
		e.refuseSwapped(ctx, "")
		return
	}
	e.recovery = s
	rows, err := s.Rows(ctx, `SELECT current_setting('server_version'), pg_is_in_recovery(), current_database()`)
	if err != nil {
		e.fail("recovery", toRead(err), "%v", err)
		return
	}
	e.ok("recovery", "%s, PostgreSQL %s", s.Where(), *rows[0][0])
	if *rows[0][1] == "t" {
		e.standby(ctx)
	} else {
		e.age(ctx)
	}
	if e.refuseSwapped(ctx, *rows[0][2]) || e.production == nil {
		return
	}
	if err := recovery.ProveDistinct(ctx, e.production, s); err != nil {
		e.fail("two databases", "compare --production and --recovery", "%v", err)
		return
	}
	e.ok("two databases", "production and the recovery database are two")
}

// standby: a replica that follows loses rows as production does.
func (e *examination) standby(ctx context.Context) {
	const mend = "pause it (SELECT pg_wal_replay_pause()), let it follow late (recovery_min_apply_delay), or restore a dump"
	rows, err := e.recovery.Rows(ctx, `SELECT pg_is_wal_replay_paused(), current_setting('recovery_min_apply_delay'), to_char(pg_last_xact_replay_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')`)
	if err != nil {
		e.warn("recovery age", mend, "it is a standby, and does not say how far it follows: %v", err)
		return
	}
	at := "an unknown time"
	if rows[0][2] != nil {
		at = *rows[0][2] + " UTC"
	}
	switch {
	case *rows[0][0] == "t":
		e.ok("recovery age", "a standby, paused at %s", at)
	case *rows[0][1] != "0":
		e.warn("recovery age", "pause it as soon as rows are lost: SELECT pg_wal_replay_pause()", "a standby that follows %s late, at %s", *rows[0][1], at)
	default:
		e.fail("recovery age", mend, "it is a standby that follows production: what is removed there is removed here a moment later")
	}
}

// age is when the dump that the database is of was made, by its receipt. Else it is when
// the database was made, where this role may know; what is in it may be older.
func (e *examination) age(ctx context.Context) {
	if r, err := backup.ReadReceipt(ctx, e.recovery); err == nil && r != nil {
		made := "at a time that it does not say"
		if !r.Dumped.IsZero() {
			made = r.Dumped.UTC().Format(time.DateTime) + " UTC"
		}
		e.ok("recovery age", "the dump was made %s, and loaded %s UTC: rows made since the dump cannot be restored from it", made, r.Loaded.UTC().Format(time.DateTime))
		return
	}
	text, err := e.recovery.Rows(ctx, `SELECT to_char((pg_stat_file('base/' || oid || '/PG_VERSION', true)).modification AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')
		FROM pg_database WHERE datname = current_database()`)
	if err != nil || text[0][0] == nil {
		e.ok("recovery age", "not known to this role: rows made since the backup cannot be restored from it")
		return
	}
	e.ok("recovery age", "the database was made %s UTC, the backup in it perhaps long before: rows made since the backup cannot be restored from it", *text[0][0])
}

// refuseSwapped: the addresses look exchanged. backup is the name of the recovery
// database, "" if there is no session with it.
func (e *examination) refuseSwapped(ctx context.Context, backup string) bool {
	why := e.swapped(ctx, backup)
	if why != "" {
		e.fail("two databases", "compare --production, --upstream and --recovery", "%s", why)
	}
	return why != ""
}

// swapped says why they look so; "" if they do not.
func (e *examination) swapped(ctx context.Context, backup string) string {
	if e.production != nil && backup != "" {
		rows, err := e.production.Rows(ctx, "SELECT current_database()")
		if err != nil {
			return ""
		}
		if is := *rows[0][0]; is != backup && slices.Contains(e.seenDatabases, backup) && !slices.Contains(e.seenDatabases, is) {
			return fmt.Sprintf("the proxy has journalled deletions in database %s, which is the name of the recovery database here, and never in production's, %s; are --production and --recovery swapped?", backup, is)
		}
	}
	up, p, r := addressOf(e.o.Upstream), addressOf(e.o.Production), addressOf(e.o.Recovery)
	if up != "" && up == r && p != r {
		return fmt.Sprintf("the proxy's upstream, %s, is where the recovery database is, and production is at %s; are --production and --recovery swapped?", up, p)
	}
	return ""
}

func addressOf(server string) string {
	c, err := pgconn.ParseConfig(server)
	if err != nil {
		return ""
	}
	return net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
}
