package pgjournal

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// Examination is what a server is like as the place of a journal.
type Examination struct {
	Where            string
	Version          string
	SystemID         string // of the server's cluster; "" if this role may not know
	Fsync            bool
	FullPageWrites   bool
	CommitOff        string // a setting of synchronous_commit that cannot be raised to on; "" if it can
	Standbys         int    // connected
	SynchronousNames string // synchronous_standby_names
	StandbysAway     bool   // none of those is connected, as far as this role may know
	MayBegin         bool   // this role may make the schema; of no interest where there is one
	Format           int    // of the journal there, 0 if there is none
	Bytes            int64  // that its tables take
	Proxies          int    // that have it open
}

// Examine looks at the server that a URL names, without changing anything.
func Examine(ctx context.Context, url string) (*Examination, error) {
	j := &shared{options: journal.Options{Reader: true}}
	config, err := j.config(url)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, openTimeout)
	defer cancel()
	c, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return nil, j.explain(err)
	}
	defer c.Close(ctx)
	x := Examination{Where: j.where}
	if err := x.server(ctx, c); err != nil {
		return nil, j.explain(err)
	}
	if err := j.prepare(ctx, c); err != nil {
		return nil, j.explain(err)
	}
	f, err := look(ctx, c)
	if err == nil {
		err = f.check(j.where)
	}
	if err != nil || !f.table {
		return &x, j.explain(err)
	}
	x.Format = f.version
	err = c.QueryRow(ctx, `SELECT coalesce(sum(pg_catalog.pg_total_relation_size(c.oid)), 0)::bigint, (SELECT count(*) FROM (`+aliveNames+`) a)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $2 AND c.relkind = 'r'`, int64(presenceClass), Schema).
		Scan(&x.Bytes, &x.Proxies)
	return &x, j.explain(err)
}

func (x *Examination) server(ctx context.Context, c *pgx.Conn) error {
	var commit, raised string
	err := c.QueryRow(ctx, `SELECT pg_catalog.current_setting('server_version'), pg_catalog.current_setting('fsync') = 'on', pg_catalog.current_setting('full_page_writes') = 'on',
		pg_catalog.current_setting('synchronous_standby_names'), pg_catalog.current_setting('synchronous_commit'),
		(SELECT count(*) FROM pg_catalog.pg_stat_replication),
		-- sync_state is null to who may not see it
		(SELECT NOT coalesce(bool_or(sync_state IS NULL OR sync_state IN ('sync', 'quorum')), false) FROM pg_catalog.pg_stat_replication),
		pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE')`).
		Scan(&x.Version, &x.Fsync, &x.FullPageWrites, &x.SynchronousNames, &commit, &x.Standbys, &x.StandbysAway, &x.MayBegin)
	x.StandbysAway = x.StandbysAway && x.SynchronousNames != ""
	if err != nil {
		return err
	}
	// A managed server may forbid either.
	if err := c.QueryRow(ctx, "SELECT system_identifier::text FROM pg_catalog.pg_control_system()").Scan(&x.SystemID); err != nil {
		x.SystemID = ""
	}
	if err := c.QueryRow(ctx, "SELECT pg_catalog.set_config('synchronous_commit', 'on', false)").Scan(&raised); err != nil {
		x.CommitOff = fmt.Sprintf("%s (%v)", commit, err)
	}
	return nil
}
