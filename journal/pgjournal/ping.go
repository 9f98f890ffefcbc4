package pgjournal

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// pingTimeout bounds a Ping: sessions wait for it.
const pingTimeout = 3 * time.Second

// pingAgain is for how long the answer of a Ping that failed stands: sessions ask
// one after the other, and each question may take until connecting times out.
const pingAgain = 500 * time.Millisecond

// Ping writes durably when this was, once: it does not wait for a server that is
// not there.
func (j *shared) Ping(ctx context.Context) error {
	if err := j.mayWrite(ctx); err != nil {
		return err
	}
	j.mu.Lock()
	failed, why := j.failed, j.why
	j.mu.Unlock()
	if why != nil && time.Since(failed) < pingAgain {
		return why
	}
	ctx, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	ping := func(c *pgxpool.Conn) error {
		return confirmed(c.Conn(), func() error { return touch(ctx, c.Conn(), j.options.Proxy) })
	}
	err := j.pool.AcquireFunc(ctx, ping)
	if transient, _ := fate(err); err != nil && transient && ctx.Err() == nil {
		j.pool.Reset() // it may have been the end of an old connection
		err = j.pool.AcquireFunc(ctx, ping)
	}
	if err != nil && isMissing(err) {
		if err = j.renew(ctx); err == nil {
			err = j.pool.AcquireFunc(ctx, ping)
		}
	}
	err = j.explain(err)
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failed, j.why = time.Now(), err
	return err
}

// touch is a write that changes nothing but when it was.
func touch(ctx context.Context, c *pgx.Conn, name string) error {
	_, err := c.Exec(ctx, "INSERT INTO proxy (name, seen) VALUES ($1, pg_catalog.now()) ON CONFLICT (name) DO UPDATE SET seen = excluded.seen", clean(name))
	return err
}
