package guard

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

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
	rules  atomic.Pointer[Policy]
}

// SetPolicy replaces the policy; statements under way keep the old one.
func (j *Judge) SetPolicy(p Policy) { j.rules.Store(&p) }

func (j *Judge) policy() Policy { return *j.rules.Load() }

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
	j := &Judge{o: o, databases: map[string]*database{}}
	j.SetPolicy(o.Policy)
	for e, err := range o.Journal.Entries(ctx, journal.Filter{Outcome: journal.InDoubt, Kind: journal.Deletion}) {
		if err != nil {
			return nil, err
		}
		j.database(e.Database).doubt(e.ID)
	}
	return j, nil
}

// Session implements proxy.Judge.
func (j *Judge) Session(_ context.Context, info proxy.Info) proxy.Session {
	return &session{
		j: j, db: j.database(info.Database), info: info,
		stmts: map[string]*prepared{}, portals: map[string]*portal{}, clean: true,
	}
}

// Run compares fingerprints on a timer until ctx ends: it makes the next
// session's message look at its database's catalog again.
func (j *Judge) Run(ctx context.Context) {
	t := time.NewTicker(j.o.Refresh)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
			j.mu.Lock()
			for _, d := range j.databases {
				d.due.Store(true)
			}
			j.mu.Unlock()
		}
	}
}

func (j *Judge) database(name string) *database {
	j.mu.Lock()
	defer j.mu.Unlock()
	d := j.databases[name]
	if d == nil {
		d = &database{name: name}
		j.databases[name] = d
	}
	return d
}
