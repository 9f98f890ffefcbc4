package drill

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/diff"
)

// What is killed in a round.
const (
	killNothing  = "nothing"
	killProxy    = "proxy"
	killServer   = "server"
	killSessions = "sessions" // on the server, which goes on
)

// round is one incident: delete, find out, restore, compare.
func (d *drill) round(ctx context.Context, n int) (*Round, error) {
	if err := d.reset(ctx); err != nil {
		return nil, err
	}
	if d.proxy.process == nil {
		if err := d.proxy.run(ctx); err != nil {
			return nil, err
		}
	}
	r := d.choose(n)
	since := time.Now()
	d.dirty = true
	if err := d.incident(ctx, r); err != nil {
		return nil, err
	}
	r.Delete = time.Since(since).Seconds()
	// From here on somebody is waiting.
	began := time.Now()
	if err := d.standUp(ctx); err != nil {
		return nil, err
	}
	entries, err := d.entries(ctx, since)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Outcome == journal.InDoubt {
			r.fail("entry %s is still in doubt", e.ID)
		}
		r.Removed += e.Rows
		r.IDs = append(r.IDs, e.ID)
	}
	before, err := d.compare(ctx)
	if err != nil {
		return nil, err
	}
	if n := d.comparable(entries); before.Lost != n {
		r.fail("the journal has %d rows removed from tables with a key; %d are gone", n, before.Lost)
	}
	if len(entries) > 0 {
		if err := d.restore(ctx, r); err != nil {
			return nil, err
		}
	}
	r.Recovery = time.Since(began).Seconds()
	after, err := d.compare(ctx)
	if err != nil {
		return nil, err
	}
	r.judge(after)
	d.dirty = after.Lost > 0 || !r.OK || r.New > 0
	return r, nil
}

// choose takes turns: the worst that can be, some rows anywhere, and both with
// something killed in the middle.
func (d *drill) choose(n int) *Round {
	r := &Round{Number: n + 1, Kind: "random", Kill: killNothing, OK: true, IDs: []string{}, Problems: []string{}}
	v := d.victims[d.random.IntN(len(d.victims))]
	r.statement = v.some(d.random.Float64()*0.2, d.random.Uint64())
	if n%3 == 0 {
		r.Kind, v = "worst", d.victims[(n/3)%min(3, len(d.victims))]
		r.statement = v.everything()
	}
	switch n % 4 {
	case 2:
		r.Kill = killProxy
	case 3:
		r.Kill = d.stage.kills()
	}
	r.Table = v.name()
	r.killAfter = time.Duration(d.random.Int64N(int64(300 * time.Millisecond)))
	return r
}

// incident runs the deletion through the proxy. Whether it committed is for the
// journal to say.
func (d *drill) incident(ctx context.Context, r *Round) error {
	conn, err := pgx.ConnectConfig(ctx, d.proxy.client.Copy())
	if err != nil {
		return fmt.Errorf("through the proxy: %w", err)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	done := make(chan error, 1)
	go func() {
		_, err := conn.PgConn().Exec(ctx, r.statement).ReadAll()
		done <- err
	}()
	if r.Kill != killNothing {
		select { // a moment within the deletion, or just after it: chance decides
		case err := <-done:
			done <- err
		case <-time.After(r.killAfter):
		}
		if err := d.kill(ctx, r.Kill); err != nil {
			return err
		}
	}
	select {
	case err = <-done:
	case <-time.After(10 * time.Minute):
		return errors.New("the deletion has not ended in ten minutes")
	}
	r.Answer = "committed"
	if err != nil {
		r.Answer = "error"
		var said interface{ SQLState() string }
		if errors.As(err, &said) {
			r.Answer += " " + said.SQLState()
		}
	}
	return ctx.Err()
}

func (d *drill) kill(ctx context.Context, what string) error {
	if what == killProxy {
		d.proxy.kill()
		return nil
	}
	return d.stage.crash(ctx)
}

// standUp runs again what was killed. A proxy that starts settles what was in
// doubt, so it is started anew in any case.
func (d *drill) standUp(ctx context.Context) error {
	if err := d.stage.standUp(ctx); err != nil {
		return err
	}
	d.proxy.kill()
	return d.proxy.run(ctx)
}

// comparable is how many of the rows removed compare can find.
func (d *drill) comparable(entries []*journal.Entry) (n int64) {
	for _, e := range entries {
		for _, share := range e.Tables {
			t := d.catalog.Lookup(share.Schema, share.Name)
			if t != nil && len(t.Root().Key) > 0 && share.Via != journal.SetNull && share.Via != journal.SetDef {
				n += share.Rows
			}
		}
	}
	return n
}

// entries are the deletions since then that committed. The proxy that was just
// started settles those in doubt; it is given a while.
func (d *drill) entries(ctx context.Context, since time.Time) (out []*journal.Entry, err error) {
	for deadline := time.Now().Add(15 * time.Second); ; {
		out, err = d.committed(ctx, since)
		doubtful := slices.ContainsFunc(out, func(e *journal.Entry) bool { return e.Outcome == journal.InDoubt })
		if err != nil || !doubtful || time.Now().After(deadline) {
			return out, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

func (d *drill) committed(ctx context.Context, since time.Time) (out []*journal.Entry, err error) {
	for e, err := range d.journal.Entries(ctx, journal.Filter{Since: since, Kind: journal.Deletion}) {
		if err != nil {
			return nil, err
		}
		if e.Outcome == journal.Committed || e.Outcome == journal.InDoubt {
			out = append(out, e)
		}
	}
	return out, nil
}

func (d *drill) restore(ctx context.Context, r *Round) error {
	source, err := recovery.FromIDs(ctx, d.journal, r.IDs)
	if err == nil {
		var report *recovery.Report
		began := time.Now()
		report, err = recovery.Restore(ctx, recovery.Options{Production: d.stage.production(), Recovery: d.stage.recovery(), Source: source, Journal: d.journal})
		r.Restore = time.Since(began).Seconds()
		if report != nil {
			r.Restored = report.Restored
			if n := len(report.Unrestored); n > 0 {
				r.fail("%d rows could not be restored: %s", n, report.Unrestored[0].Reason)
			}
		}
	}
	if err != nil && ctx.Err() == nil {
		r.fail("restore: %v", err)
		return nil
	}
	return err
}

// compare is production against the backup, row by row.
func (d *drill) compare(ctx context.Context) (*diff.Report, error) {
	return diff.Run(ctx, diff.Options{Production: d.stage.production(), Recovery: d.stage.recovery(), Rows: true, Jobs: 2})
}
