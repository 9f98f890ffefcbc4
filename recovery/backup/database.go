package backup

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/recovery"
)

// Into is an address with the database replaced. The error says that it cannot be:
// whoever goes there all the same is in the database that the address names.
func Into(address, database string) (string, error) {
	out := ""
	if strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://") {
		separator := "?"
		if strings.Contains(address, "?") {
			separator = "&"
		}
		out = address + separator + "dbname=" + strings.ReplaceAll(url.QueryEscape(database), "+", "%20") // libpq takes a plus as it is
	} else {
		out = address + " dbname='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(database) + "'"
	}
	config, err := pgconn.ParseConfig(out)
	if err != nil || config.Database != database {
		return "", recovery.Refuse(recovery.Usage, fmt.Sprintf("the server's address cannot be used for its database %s; write it as postgres://user@host:port/database", database))
	}
	return out, nil
}

var (
	urlPassword  = regexp.MustCompile(`^([a-z]+://[^:/@]*):.*@`)
	wordPassword = regexp.MustCompile(`(?i)[?&\s]?\bpassword\s*=\s*('(?:[^'\\]|\\.)*'|[^\s&]*)`)
)

// arguments are an address fit for a command line, and the environment that has
// its password: a command line is for everyone to see.
func arguments(address string) (string, []string, error) {
	config, err := pgconn.ParseConfig(address)
	if err != nil {
		return "", nil, err
	}
	if config.Password == "" {
		return address, nil, nil
	}
	out := urlPassword.ReplaceAllString(address, "${1}@")
	if strings.Contains(out, "://") && wordPassword.MatchString(out) {
		return "", nil, recovery.Refuse(recovery.Usage, "the server's address has its password among the parameters; give it as user:password@ or in PGPASSWORD")
	}
	return wordPassword.ReplaceAllString(out, " "), []string{"PGPASSWORD=" + config.Password}, nil
}

// database is a database that we made.
type database struct {
	server string // address of the server, to make and drop it
	name   string
	url    string

	version int // the server's major version
}

// makeDatabase makes a database that nobody has; options are those of CREATE
// DATABASE, left out if the server does not know the locale.
func makeDatabase(ctx context.Context, server, name, options string) (*database, error) {
	s, err := maintenance(ctx, server)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	version, err := s.Number(ctx, "SELECT current_setting('server_version_num')::int / 10000")
	if err != nil {
		return nil, err
	}
	into, err := Into(server, name)
	if err != nil {
		return nil, err
	}
	create := "CREATE DATABASE " + pgx.Identifier{name}.Sanitize() + " WITH TEMPLATE = template0"
	err = s.Exec(ctx, create+options)
	var said *pgconn.PgError
	if options != "" && errors.As(err, &said) && said.Code != "42P04" && said.Code != "42501" {
		err = s.Exec(ctx, create)
	}
	if errors.As(err, &said) && said.Code == "42P04" {
		return nil, recovery.Refuse(recovery.Usage, fmt.Sprintf("database %s is there already; a dump is loaded into a new one only: give another --name", name))
	}
	if err != nil {
		return nil, fmt.Errorf("creating database %s: %w", name, err)
	}
	return &database{server: server, name: name, url: into, version: int(version)}, nil
}

// maintenance is a session from which databases are made: in the database that
// the address names, else in "postgres".
func maintenance(ctx context.Context, server string) (*recovery.Session, error) {
	config, err := pgconn.ParseConfig(server)
	if err == nil && config.Database == "" {
		if server, err = Into(server, "postgres"); err != nil {
			return nil, err
		}
	}
	return recovery.Open(ctx, "recovery", server, "rowback backup")
}

// drop removes a database that we made, also when ctx has ended.
func (d *database) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
	defer cancel()
	s, err := maintenance(ctx, d.server)
	if err != nil {
		return err
	}
	defer s.Close()
	return DropDatabase(ctx, s, d.name)
}

// seal marks the database read-only and puts the receipt in its comment.
func (d *database) seal(ctx context.Context, comment string) error {
	s, err := maintenance(ctx, d.server)
	if err != nil {
		return err
	}
	defer s.Close()
	name := pgx.Identifier{d.name}.Sanitize()
	return s.Exec(ctx, fmt.Sprintf("ALTER DATABASE %s SET default_transaction_read_only = on; COMMENT ON DATABASE %[1]s IS '%s'", name, strings.ReplaceAll(comment, "'", "''")))
}
