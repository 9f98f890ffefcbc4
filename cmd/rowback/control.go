package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
)

// controlTimeout bounds each use of a control connection.
const controlTimeout = 10 * time.Second

// controlSettings are what a control connection sets at its start.
var controlSettings = map[string]string{
	"application_name": "rowback", "lock_timeout": "1s", "statement_timeout": "10s", "row_security": "off",
}

// controlFunc opens connections of the proxy's own with the credentials in the
// upstream URL: nil if it names no user, for only clients authenticate then.
func controlFunc(upstream string) (func(context.Context, string) (catalog.Querier, func(), error), error) {
	if !namesUser(upstream) {
		return nil, nil
	}
	parse := func() (*pgx.ConnConfig, error) {
		cfg, err := pgx.ParseConfig(connString(upstream))
		if err != nil {
			return nil, fmt.Errorf("upstream: %s cannot be used: %s", redact(upstream), parseReason(err))
		}
		maps.Copy(cfg.RuntimeParams, controlSettings)
		if cfg.ValidateConnect == nil { // of several hosts the one that can tell how a transaction ended
			cfg.ValidateConnect = pgconn.ValidateConnectTargetSessionAttrsPrimary
		}
		return cfg, nil
	}
	if _, err := parse(); err != nil {
		return nil, err
	}
	return func(ctx context.Context, database string) (catalog.Querier, func(), error) {
		ctx, cancel := context.WithTimeout(ctx, controlTimeout)
		defer cancel()
		cfg, err := parse() // again: certificates and passwords in files change
		if err != nil {
			return nil, nil, err
		}
		cfg.Database = database
		c, err := pgx.ConnectConfig(ctx, cfg)
		if err != nil {
			return nil, nil, err
		}
		return catalog.FromConn(c), func() {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			_ = c.Close(ctx)
		}, nil
	}, nil
}

// tryControl opens one connection of the proxy's own, if there are credentials.
func (v *serving) tryControl(ctx context.Context, upstream string) error {
	if v.control == nil {
		return nil
	}
	cfg, err := pgx.ParseConfig(connString(upstream))
	if err != nil {
		return err
	}
	if cfg.Database == "" {
		cfg.Database = "postgres"
	}
	_, closeConn, err := v.control(ctx, cfg.Database)
	if err == nil {
		closeConn()
	}
	return err
}

// namesUser reports whether a server's address carries credentials.
func namesUser(upstream string) bool {
	if isPostgresURL(upstream) {
		authority, _, _ := strings.Cut(strings.SplitN(upstream, "://", 2)[1], "/")
		return strings.Contains(authority, "@") || strings.Contains(upstream, "user=")
	}
	return strings.Contains(upstream, "user=")
}
