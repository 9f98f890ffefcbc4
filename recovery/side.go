package recovery

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
)

// side is one of the two databases.
type side struct {
	name    string // "production" or "recovery"
	conn    *pgx.Conn
	catalog *catalog.Snapshot
	detail  map[uint32]*detail // of the tables that take part
	path    string             // the role's own search_path; see path.go
}

// sessionSettings make values travel as text unharmed, whatever the defaults
// of server, database and role are, make hidden rows an error, and rows found by key.
const sessionSettings = `
	SET standard_conforming_strings = on; SET client_encoding = 'UTF8'; SET client_min_messages = warning;
	SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex'; SET extra_float_digits = 3;
	SET lc_monetary = 'C'; SET xmloption = content; SET array_nulls = on; SET transform_null_equals = off;
	SET row_security = off; SET jit = off;
	SELECT set_config('random_page_cost', least(current_setting('random_page_cost')::float8, 1.1)::text, false); -- rows are looked up by their keys: at 4 whole tables would be read
	SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0;
	SELECT set_config(name, '0', false) FROM pg_settings WHERE name IN ('idle_session_timeout', 'transaction_timeout'); -- from 14, 17 on
	SELECT set_config('synchronous_commit', 'local', false) WHERE current_setting('synchronous_commit') = 'off'; -- else a crash takes back what the journal has as committed
	SET default_transaction_read_only = off; SET default_transaction_isolation = 'read committed'`

// connect opens a session, in the given database where the address names none.
// The caller closes side.conn.
func connect(ctx context.Context, name, url, database string) (*side, error) {
	if url == "" {
		return nil, refuse(Usage, "no "+name+" database is given: name it with --"+name)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, refuse(Usage, fmt.Sprintf("the address of the %s database cannot be used: %v", name, err))
	}
	if config.Database == "" {
		config.Database = database
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "rowback restore"
	}
	// A host that is gone must not hold up a restore for the kernel's hours.
	config.ConnectTimeout = max(config.ConnectTimeout, 10*time.Second)
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, ConnectError(name, err)
	}
	s := &side{name: name, conn: conn, detail: map[uint32]*detail{}}
	if err := s.guardPath(ctx); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	if err := s.exec(ctx, sessionSettings); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return s, nil
}

func (s *side) load(ctx context.Context) (err error) {
	if s.catalog, err = catalog.Load(ctx, catalog.FromConn(s.conn)); err != nil {
		return fmt.Errorf("reading the catalog of the %s database: %w", s.name, err)
	}
	return nil
}

// exec runs statements whose results do not matter.
func (s *side) exec(ctx context.Context, sql string) error {
	_, err := s.affect(ctx, sql)
	return err
}

// affect runs statements and returns how many rows the last one touched.
func (s *side) affect(ctx context.Context, sql string) (int64, error) {
	results, err := s.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return 0, s.explain(err)
	}
	return results[len(results)-1].CommandTag.RowsAffected(), nil
}

// rows runs a query and returns every value as text, nil for NULL.
func (s *side) rows(ctx context.Context, sql string) ([][]*string, error) {
	results, err := s.conn.PgConn().Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, s.explain(err)
	}
	last := results[len(results)-1]
	for i := len(results) - 1; i > 0 && len(last.FieldDescriptions) == 0; i-- { // see openly
		last = results[i-1]
	}
	out := make([][]*string, len(last.Rows))
	for i, r := range last.Rows {
		out[i] = textRow(r)
	}
	return out, nil
}

// each is rows without holding them all.
func (s *side) each(ctx context.Context, sql string, do func([]*string) error) error {
	r := s.conn.PgConn().Exec(ctx, sql)
	var failed error
	for r.NextResult() {
		for rr := r.ResultReader(); rr.NextRow(); {
			if failed == nil {
				failed = do(textRow(rr.Values()))
			}
		}
	}
	if err := r.Close(); err != nil {
		return s.explain(err)
	}
	return failed
}

func textRow(values [][]byte) []*string {
	out := make([]*string, len(values))
	for i, v := range values {
		if v != nil {
			text := string(v)
			out[i] = &text
		}
	}
	return out
}

// number runs a query that returns one number.
func (s *side) number(ctx context.Context, sql string) (int64, error) {
	n, err := s.numbers(ctx, sql)
	if err != nil {
		return 0, err
	}
	return n[0], nil
}

// numbers runs a query that returns one row of numbers; NULL is 0.
func (s *side) numbers(ctx context.Context, sql string) ([]int64, error) {
	rows, err := s.rows(ctx, sql)
	if err != nil {
		return nil, err
	}
	out := make([]int64, len(rows[0]))
	for i, v := range rows[0] {
		if v == nil {
			continue
		}
		if out[i], err = strconv.ParseInt(*v, 10, 64); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// explain names the side, and what to do where the code says it. The detail of
// a server's error may hold row contents; it is left out.
func (s *side) explain(err error) error {
	switch code := sqlState(err); code {
	case "":
		return fmt.Errorf("%s database: %w", s.name, err)
	case "55P03":
		return fmt.Errorf("%s database: another session held a lock for longer than --lock-timeout; see pg_locks, then try again or raise it: %w", s.name, err)
	case "42501":
		return &Refusal{Kind: Denied, Problems: []string{fmt.Sprintf("%s database: %v", s.name, err)}}
	case "RB001", "RB002":
		if sqlContext(err) == "" { // no trigger's
			return fmt.Errorf("the address of the %s database leads to a rowback proxy, which judges what a restore or an undo does, and records it a second time: name the server itself with --%[1]s: %[2]w", s.name, err)
		}
		return fmt.Errorf("%s database: %w", s.name, err)
	default:
		return fmt.Errorf("%s database: %w", s.name, err)
	}
}

// sqlState is the SQLSTATE of a server's error, "" for others.
func sqlState(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

// sqlContext is where in a command a server's error arose.
func sqlContext(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return e.Where
	}
	return ""
}

// where says which database this is, without secrets: of several hosts, which one.
func (s *side) where() string {
	c := s.conn.Config()
	server := fmt.Sprintf("%s:%d", c.Host, c.Port)
	for _, f := range c.Fallbacks {
		if f.Host != c.Host || f.Port != c.Port {
			server = s.conn.PgConn().Conn().RemoteAddr().String()
		}
	}
	return fmt.Sprintf("%s on %s as %s", c.Database, server, c.User)
}
