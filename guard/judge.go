package guard

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// Judge implements proxy.Judge: one for a proxy, shared by its sessions.
type Judge struct {
	o Options

	// mu guards databases.
	mu        sync.Mutex
	databases map[string]*database

	health health
	// appending is how many sessions are making evidence durable.
	appending atomic.Int32
	rules     atomic.Pointer[policy.Policy]
	marks     atomic.Pointer[marks] // see marked
	windows   *windows
	fleet     journal.Fleet // nil: the journal is this proxy's alone
	beside    atomic.Bool   // see Beside
	// missing are proxies of the fleet that were not alive, since when; it belongs to keepFleet.
	missing map[string]time.Time
}

// SetPolicy replaces the policy; statements under way keep the old one. The
// error says that what was removed lately could not be read from the journal:
// then the new policy is not in force.
func (j *Judge) SetPolicy(ctx context.Context, p policy.Policy) error {
	if err := j.windows.replay(ctx, j.o.Journal, &p, j.o.Now()); err != nil {
		return err
	}
	j.rules.Store(&p)
	return nil
}

// New makes a Judge. Entries that an earlier proxy left in doubt are read from
// the journal and settled as sessions to their databases come.
func New(ctx context.Context, o Options) (*Judge, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Refresh == 0 {
		o.Refresh = 5 * time.Second
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics()
	}
	fleet, _ := o.Journal.(journal.Fleet)
	o.Journal = metered{o.Journal, o.Metrics}
	o.Metrics.Guarding.Set(1)
	j := &Judge{o: o, databases: map[string]*database{}, windows: newWindows(), fleet: fleet, missing: map[string]time.Time{}}
	if fleet != nil {
		j.windows.fleet = newFleetWindows(fleet, j.journalFailed)
	}
	switch err := j.SetPolicy(ctx, o.Policy); {
	case errors.Is(err, journal.ErrAway): // it may come while sessions are served
		p := o.Policy
		j.rules.Store(&p)
		j.health.err = err
		j.health.owed = func(ctx context.Context) error { return j.windows.replay(ctx, j.o.Journal, j.rules.Load(), j.o.Now()) }
	case err != nil:
		return nil, err
	}
	for _, kind := range []journal.Kind{journal.Deletion, journal.Restore} {
		// One that is away is asked again by Run.
		if err := j.doubt(ctx, kind); err != nil && !errors.Is(err, journal.ErrAway) {
			return nil, err
		}
	}
	return j, nil
}

// doubt takes the entries of a kind that the journal has in doubt into care.
func (j *Judge) doubt(ctx context.Context, kind journal.Kind) error {
	mine, err := j.cares(ctx)
	if err != nil {
		return err
	}
	for e, err := range j.o.Journal.Entries(ctx, journal.Filter{Outcome: journal.InDoubt, Kind: kind}) {
		if err != nil {
			return err
		}
		if !mine(e) {
			continue
		}
		j.o.Metrics.pending.entry(e.ID, e.Time)
		j.database(e.Database).doubt(e.ID, doubt{})
	}
	return nil
}

// Session implements proxy.Judge.
func (j *Judge) Session(_ context.Context, info *proxy.Info) proxy.Session {
	s := &session{
		j: j, db: j.enter(info.Database), info: info,
		clean: true,
	}
	p := j.rules.Load()
	s.rules.set(p, j.marked(p), subjectOf(info, info.Application))
	if info.Replication {
		return &walsender{session: s}
	}
	return s
}

// Run does on a timer what belongs to no session, until ctx ends: it makes the
// next session's message look at its database's catalog again, and settles
// entries in doubt where there is a control connection. What may have to wait for the
// journal, or for a server, keeps nothing else waiting.
func (j *Judge) Run(ctx context.Context) {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		j.every(ctx, func() {
			for _, d := range j.all() {
				d.tick()
			}
			j.unload()
		})
	})
	all.Go(func() {
		j.every(ctx, func() {
			// A restore is another process: if it died, nobody tells.
			if err := j.doubt(ctx, journal.Restore); err != nil && ctx.Err() == nil {
				j.o.Logger.Warn("restores in doubt are not settled", "error", err)
			}
			j.keepFleet(ctx)
		})
	})
	all.Go(func() {
		var wait time.Time // of a journal so large that reading it takes long, not all the time goes into that
		j.every(ctx, func() {
			began := time.Now()
			if !j.beside.Load() || began.Before(wait) {
				return
			}
			if err := j.recount(ctx); err != nil && ctx.Err() == nil {
				j.o.Logger.Warn("windows do not count what the other process of this proxy removes", "error", err)
			}
			wait = time.Now().Add(3 * time.Since(began))
		})
	})
	j.control(ctx)
	j.every(ctx, func() { j.control(ctx) })
}

// every calls f at each Refresh until ctx ends.
func (j *Judge) every(ctx context.Context, f func()) {
	t := time.NewTicker(j.o.Refresh)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			f()
		}
	}
}

// control does what the control connection is for, in each database.
func (j *Judge) control(ctx context.Context) {
	for _, d := range j.all() {
		j.settleByControl(ctx, d)
		j.collect(ctx, d)
	}
}

// settleByControl settles a database's entries in doubt on a connection of our own.
func (j *Judge) settleByControl(ctx context.Context, db *database) {
	if j.o.Control == nil || len(db.inDoubt()) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	q, closeConn, err := j.o.Control(ctx, db.name)
	if sqlState(err) == "3D000" {
		j.settleGoneByControl(ctx)
	}
	if err != nil {
		if ctx.Err() == nil && db.explain("", err.Error()) {
			j.o.Logger.Warn("no control connection; entries in doubt wait for a session", "database", db.name, "error", err)
		}
		return
	}
	defer closeConn()
	db.settled("") // it works again
	settler{Judge: j, q: q, journal: j.o.Journal}.settle(ctx, db)
}

// settleGoneByControl settles what is in doubt in databases that are not there any
// more on a connection to another one.
func (j *Judge) settleGoneByControl(ctx context.Context) {
	for _, d := range append(j.all(), newDatabase("postgres")) {
		if q, closeConn, err := j.o.Control(ctx, d.name); err == nil {
			settler{Judge: j, q: q, journal: j.o.Journal}.settleGone(ctx, d)
			closeConn()
			return
		}
	}
}

func (j *Judge) all() []*database {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Collect(maps.Values(j.databases))
}

// announce notes for all databases that their names may stand for others.
func (j *Judge) announce() {
	for _, d := range j.all() {
		d.announce()
	}
}

func (j *Judge) database(name string) *database {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.databases[name]
	if d == nil {
		d = newDatabase(name)
		j.databases[name] = d
		j.o.Metrics.opened(name)
	}
	return d
}
