package drill

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

// clones is a stage on somebody's server: production is a clone of the recovery
// database there (CREATE DATABASE … TEMPLATE), dropped in the end. The server
// itself is not ours to kill: a crash is the end of the clone's sessions.
type clones struct {
	url, server, database string
	clone, cloned         string // its name, and its address
	made                  bool   // the clone, at least once
}

func newClones(url string) (*clones, error) {
	config, err := pgconn.ParseConfig(url)
	if err != nil {
		return nil, recovery.Refuse(recovery.Usage, err.Error())
	}
	if config.Database == "" {
		return nil, recovery.Refuse(recovery.Usage, "the address of the database to clone names no database")
	}
	server := "postgres" // a database with sessions in it cannot be cloned
	if config.Database == server {
		server = "template1"
	}
	suffix := make([]byte, 4)
	_, _ = rand.Read(suffix) // never fails
	c := &clones{url: url, database: config.Database, clone: "rowback_drill_" + hex.EncodeToString(suffix)}
	if c.server, err = backup.Into(url, server); err != nil {
		return nil, err
	}
	c.cloned, err = backup.Into(url, c.clone)
	return c, err
}

func (c *clones) recovery() string   { return c.url }
func (c *clones) production() string { return c.cloned }

// refuseProduction: it is production that would be cloned. Where that cannot be
// reached, it is taken for another.
func (c *clones) refuseProduction(ctx context.Context, production string) (err error) {
	if production == "" {
		return nil
	}
	p, err := recovery.Open(ctx, "production", production, application)
	if err != nil {
		return ctx.Err()
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	t, err := recovery.Open(ctx, "template", c.url, application)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.Close()) }() // it must be gone when the database is cloned
	same, err := recovery.Same(ctx, t, p)
	if err == nil && same {
		err = recovery.Refuse(recovery.Usage, fmt.Sprintf("the database to clone (%s) is the production database itself; name a recovery database with --template", t.Where()))
	}
	return err
}

func (c *clones) reset(ctx context.Context) error {
	err := copyDatabase(ctx, c.server, c.clone, c.database)
	c.made = c.made || err == nil
	var said *pgconn.PgError
	if errors.As(err, &said) {
		switch said.Code {
		case "55006": // object_in_use
			return recovery.Refuse(recovery.Unfit, fmt.Sprintf("database %s cannot be cloned while others use it (%s): end their sessions, or rehearse on a dump", c.database, strings.ToLower(said.Detail)))
		case "42501":
			return recovery.Refuse(recovery.Denied, fmt.Sprintf("database %s cannot be cloned: %s; the role needs CREATEDB, and must own the database or be superuser", c.database, said.Message))
		}
	}
	return err
}

func (c *clones) crash(ctx context.Context) error {
	return onServer(ctx, c.server, func(s *recovery.Session) error {
		_, err := backup.EndSessions(ctx, s, c.clone)
		return err
	})
}

func (c *clones) kills() string { return killSessions }

func (c *clones) standUp(context.Context) error { return nil }

func (c *clones) close() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err := onServer(ctx, c.server, func(s *recovery.Session) error { return backup.DropDatabase(ctx, s, c.clone) })
	if !c.made {
		return nil // why it was not made has been said
	}
	return err
}

// copyDatabase makes the database name anew, as template is.
func copyDatabase(ctx context.Context, server, name, template string) error {
	return onServer(ctx, server, func(s *recovery.Session) error {
		if err := backup.DropDatabase(ctx, s, name); err != nil {
			return err
		}
		return s.Exec(ctx, "CREATE DATABASE "+pgx.Identifier{name}.Sanitize()+" TEMPLATE "+pgx.Identifier{template}.Sanitize())
	})
}

func onServer(ctx context.Context, server string, do func(*recovery.Session) error) error {
	s, err := recovery.Open(ctx, "template", server, application)
	if err != nil {
		return err
	}
	return errors.Join(do(s), s.Close())
}

// templateName is the database that an address names, without its secrets; "" for none.
func templateName(url string) string {
	if config, err := pgconn.ParseConfig(url); err == nil && url != "" {
		return config.Database
	}
	return ""
}
