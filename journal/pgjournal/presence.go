package pgjournal

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// presenceClass is the first half of the advisory locks' keys: "rwbk".
const presenceClass = 0x7277626b

// presence is a session of its own that holds the lock which tells others that
// this proxy lives.
type presence struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// appear takes the lock, and goes on having it until presence ends: again and
// again, where the session is lost.
func (j *shared) appear(ctx context.Context) (*presence, error) {
	var c *pgx.Conn
	if j.opened.Load() {
		opening, cancelOpening := context.WithTimeout(ctx, openTimeout)
		defer cancelOpening()
		var err error
		if c, err = j.holdLock(opening); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &presence{cancel: cancel}
	p.done.Go(func() { j.stay(ctx, c) })
	return p, nil
}

func (p *presence) end() {
	p.cancel()
	p.done.Wait()
}

// stay closes c, or what comes after it, when ctx ends.
func (j *shared) stay(ctx context.Context, c *pgx.Conn) {
	for {
		if c != nil {
			// Nothing is ever notified: it returns with the session's end, or ctx's.
			_, err := c.WaitForNotification(ctx)
			ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = c.Close(ending)
			cancel()
			c = nil
			if ctx.Err() == nil {
				j.options.Logger.Warn("the journal's connection was lost", "journal", j.where, "error", err)
			}
		} else {
			trying, cancel := context.WithTimeout(ctx, openTimeout)
			var err error
			c, err = j.holdLock(trying)
			cancel()
			if err == nil {
				j.options.Logger.Info("this proxy is known to be alive", "journal", j.where)
				continue
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Second):
		}
	}
}

// holdLock opens a session and takes the lock in it. Whoever has it, has this
// proxy's name: an old session of its own, that the server has not given up yet.
func (j *shared) holdLock(ctx context.Context) (*pgx.Conn, error) {
	if err := j.usable(ctx); err != nil {
		return nil, err
	}
	config := j.pool.Config().ConnConfig
	config.RuntimeParams["application_name"] = "rowback " + j.options.Proxy
	c, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	err = j.prepare(ctx, c)
	if err == nil {
		err = touch(ctx, c, j.options.Proxy)
	}
	var held bool
	if err == nil {
		err = c.QueryRow(ctx, "SELECT pg_catalog.pg_try_advisory_lock_shared($1, no) FROM proxy WHERE name = $2", presenceClass, clean(j.options.Proxy)).Scan(&held)
	}
	if err != nil {
		_ = c.Close(ctx)
		return nil, err
	}
	return c, nil
}

const aliveNames = `SELECT DISTINCT p.name FROM proxy p JOIN pg_catalog.pg_locks l ON l.locktype = 'advisory' AND l.granted
	AND l.classid = $1::bigint::oid AND l.objid = p.no::oid AND l.objsubid = 2
	AND l.database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())`

// Alive implements journal.Fleet.
func (j *shared) Alive(ctx context.Context) (map[string]bool, error) {
	alive := map[string]bool{}
	err := j.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		clear(alive)
		rows, err := c.Query(ctx, aliveNames, int64(presenceClass))
		if err != nil {
			return err
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		for _, n := range names {
			alive[n] = true
		}
		return err
	})
	return alive, err
}

var _ journal.Fleet = (*shared)(nil)
