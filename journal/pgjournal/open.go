package pgjournal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/rowback/rowback/journal"
)

// IsURL reports whether a location is one of this package's.
func IsURL(location string) bool {
	return strings.HasPrefix(location, "postgres://") || strings.HasPrefix(location, "postgresql://")
}

// shared is the journal in a PostgreSQL database.
type shared struct {
	where   string // for people: hosts and database
	options journal.Options
	pool    *pgxpool.Pool

	opened   atomic.Bool // then these are known
	readOnly bool        // opened for reading where writing is not possible
	format   int         // as it was opened
	identity string

	closing  atomic.Bool
	presence *presence // nil unless for a proxy
	close    func()    // once

	late lateness

	// mu guards the rest.
	mu     sync.Mutex
	failed time.Time // when the last Ping failed, and how
	why    error
}

// Open opens the journal in the database that url names, as libpq does: several
// hosts, PGPASSWORD, ~/.pgpass and service files too. It makes the schema where
// there is none, or raises it to this version. ctx bounds the opening only. The
// caller closes it.
//
// For a proxy (Options.Proxy) a server that is away is no error: the journal is
// opened when it is there, and until then what needs it fails with journal.ErrAway.
//
// Errors: as of journal.Open, and ErrNotDurable.
func Open(ctx context.Context, url string, o journal.Options) (journal.Journal, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Key != nil && len(o.Key) != journal.KeySize {
		return nil, fmt.Errorf("journal: a key of %d bytes; it takes %d", len(o.Key), journal.KeySize)
	}
	j := &shared{options: o}
	config, err := j.config(url)
	if err != nil {
		return nil, err
	}
	if j.pool, err = pgxpool.NewWithConfig(context.WithoutCancel(ctx), config); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := j.explain(j.open(ctx)); err != nil {
		if o.Proxy == "" || !errors.Is(err, journal.ErrAway) || ctx.Err() != nil {
			j.pool.Close()
			return nil, err
		}
		o.Logger.Warn("every removal of rows is refused until the journal is there", "error", err)
	}
	if o.Proxy != "" {
		if j.presence, err = j.appear(ctx); err != nil {
			j.pool.Close()
			return nil, j.explain(err)
		}
	}
	j.close = sync.OnceFunc(func() {
		j.closing.Store(true)
		if j.presence != nil {
			j.presence.end()
		}
		j.pool.Close() // waits for what is under way
	})
	return j, nil
}

// Close waits for what is under way; what comes after it gets ErrClosed.
func (j *shared) Close() error {
	j.close()
	return nil
}

// Identity implements journal.Fleet.
func (j *shared) Identity() string {
	if !j.opened.Load() {
		return ""
	}
	return j.identity
}

func (j *shared) config(url string) (*pgxpool.Config, error) {
	config, err := pgxpool.ParseConfig(url)
	if err != nil {
		// The text of its error has the URL in it, without the password.
		return nil, fmt.Errorf("journal: the URL cannot be used: %w", err)
	}
	c := config.ConnConfig
	j.where = where(&c.Config)
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	c.DialFunc = dialer.DialContext
	if c.RuntimeParams["application_name"] == "" {
		c.RuntimeParams["application_name"] = "rowback journal"
	}
	if c.ValidateConnect == nil && !j.options.Reader {
		c.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsReadWrite
	}
	c.OnNotice = func(c *pgconn.PgConn, n *pgconn.Notice) {
		if unconfirmed(n) {
			c.CustomData()[notConfirmed] = true
		}
	}
	if !strings.Contains(url, "pool_max_conns") {
		config.MaxConns = 4
		if j.options.Proxy != "" {
			config.MaxConns = 16
		}
	}
	config.MaxConnIdleTime = time.Minute
	config.AfterConnect = j.prepare
	return config, nil
}

// Name is a URL's hosts and database, for people.
func Name(url string) string {
	c, err := pgconn.ParseConfig(url)
	if err != nil {
		return "a postgres URL that cannot be used"
	}
	return where(c)
}

// where names a database for people.
func where(c *pgconn.Config) string {
	var hosts []string
	add := func(host string, port uint16) {
		at := net.JoinHostPort(host, strconv.Itoa(int(port)))
		if len(hosts) == 0 || hosts[len(hosts)-1] != at {
			hosts = append(hosts, at)
		}
	}
	add(c.Host, c.Port)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port)
	}
	return strings.Join(hosts, ",") + "/" + c.Database
}

func (j *shared) open(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	return j.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
		f, err := look(ctx, c.Conn())
		if err == nil {
			err = f.check(j.where)
		}
		if err != nil {
			return err
		}
		if !f.table && j.options.MustExist {
			return fmt.Errorf("%w: %s has no schema %s; name the journal that the proxies write with --journal", journal.ErrNoJournal, j.where, Schema)
		}
		if j.readOnly, err = j.mayNotWrite(ctx, c.Conn(), f); err != nil {
			return err
		}
		// What only reads raises nothing: a proxy of the version before, which may start
		// again, would refuse a newer format.
		if !j.readOnly && (!j.options.Reader || f.version < readable) {
			f, err = migrate(ctx, c.Conn(), j.where)
		} else if f.version < readable {
			return fmt.Errorf("%w: %s has format %d, and this user or server may only read it; upgrade a proxy first", journal.ErrReadOnly, j.where, f.version)
		}
		if err == nil {
			j.identity, j.format = f.id, f.version
			j.opened.Store(true)
		}
		return err
	})
}

// mayNotWrite: a reader's user, or its server, cannot write. Others find out when they write.
func (j *shared) mayNotWrite(ctx context.Context, c *pgx.Conn, f found) (bool, error) {
	if !j.options.Reader || !f.table {
		return false, nil
	}
	var not bool
	err := c.QueryRow(ctx, `SELECT pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('transaction_read_only') = 'on'
		OR NOT pg_catalog.has_table_privilege('entry', 'INSERT')`).Scan(&not)
	return not, err
}

// prepare makes a new connection fit for evidence, or refuses it. What the
// session needs is set here, not at startup: poolers refuse unknown parameters.
func (j *shared) prepare(ctx context.Context, c *pgx.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, tryTimeout) // the pool sets none
	defer cancel()
	var version int
	var fsync string
	var ignored [6]string
	err := c.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version_num')::int, pg_catalog.current_setting('fsync'),
		pg_catalog.set_config('synchronous_commit', CASE WHEN pg_catalog.current_setting('synchronous_commit') IN ('on', 'remote_apply') THEN pg_catalog.current_setting('synchronous_commit') ELSE 'on' END, false),
		pg_catalog.set_config('search_path', $1, false), pg_catalog.set_config('statement_timeout', '0', false), pg_catalog.set_config('lock_timeout', $2, false),
		pg_catalog.set_config('tcp_keepalives_idle', '10', false), pg_catalog.set_config('tcp_keepalives_interval', '5', false)`,
		Schema+", pg_temp", strconv.Itoa(int(lockTimeout.Milliseconds()))).
		Scan(&version, &fsync, &ignored[0], &ignored[1], &ignored[2], &ignored[3], &ignored[4], &ignored[5])
	switch {
	case err != nil:
		return err
	case version < 130000:
		return fmt.Errorf("journal: %s is PostgreSQL %d; 13 or newer is needed", j.where, version/10000)
	case fsync != "on" && !j.options.Reader:
		return fmt.Errorf("%w: %s runs with fsync off, so what it confirms may be lost; switch it on", ErrNotDurable, j.where)
	}
	return nil
}

// ErrNotDurable: the server does not make durable what it confirms.
var ErrNotDurable = errors.New("journal would not be durable")
