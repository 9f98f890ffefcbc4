package proxy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// askEvery is how often a server is asked for its role. What has changed meanwhile
// a session notices itself, see relay.moved.
const askEvery = time.Second

// fit is whether a server has the role that target_session_attrs asks for.
type fit int

const (
	unfit     fit = iota // or not known
	secondary            // will do where no other one fits (prefer-standby)
	fitting
)

// role is what is known of a host.
type role struct {
	asked   bool
	fit     fit
	why     error  // why it does not fit
	standby string // what its sessions are told of in_hot_standby; "" before PostgreSQL 14
}

// roles knows which hosts have the role asked for. A client that has logged in to a
// server cannot be moved to another one, so it is found out beforehand: over a
// connection to each host, with the credentials of Options.Upstream, that is kept.
type roles struct {
	suits   func(context.Context, *pgconn.PgConn) error // pgx's reading of target_session_attrs
	configs []*pgconn.Config                            // one for each host
	kick    []chan struct{}                             // wakes who watches that host
	timeout time.Duration                               // of an attempt, and of the wait for a host that fits
	log     *slog.Logger

	// mu guards the rest.
	mu      sync.Mutex
	are     []role
	changed chan struct{}         // closed and replaced when are has changed
	aboard  []map[*relay]struct{} // sessions of each host that came to it as a primary
}

func newRoles(configs []*pgconn.Config, suits func(context.Context, *pgconn.PgConn) error, timeout time.Duration, log *slog.Logger) *roles {
	r := &roles{suits: suits, configs: configs, timeout: timeout, log: log, changed: make(chan struct{}), are: make([]role, len(configs))}
	for range configs {
		r.kick = append(r.kick, make(chan struct{}, 1))
		r.aboard = append(r.aboard, map[*relay]struct{}{})
	}
	return r
}

// watch asks the hosts until ctx ends.
func (r *roles) watch(ctx context.Context) {
	var wg sync.WaitGroup
	for i := range r.configs {
		wg.Go(func() { r.watchHost(ctx, i) })
	}
	wg.Wait()
}

func (r *roles) watchHost(ctx context.Context, i int) {
	var c *pgconn.PgConn // nil while there is none
	defer func() {
		if c != nil {
			closeNow(c)
		}
	}()
	for {
		is := role{asked: true}
		c, is.fit, is.why = r.ask(ctx, i, c)
		if c != nil {
			is.standby = c.ParameterStatus("in_hot_standby")
		}
		if ctx.Err() != nil {
			return
		}
		r.set(i, is)
		select {
		case <-ctx.Done():
			return
		case <-time.After(askEvery):
		case <-r.kick[i]:
		}
	}
}

// ask asks over c, or a new connection; it returns it, nil if it is broken.
func (r *roles) ask(ctx context.Context, i int, c *pgconn.PgConn) (_ *pgconn.PgConn, f fit, why error) {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	if c == nil {
		if c, why = pgconn.ConnectConfig(ctx, r.configs[i]); why != nil {
			return nil, unfit, why
		}
	}
	why = r.suits(ctx, c)
	second := (*pgconn.NotPreferredError)(nil)
	switch {
	case why == nil:
		return c, fitting, nil
	case c.IsClosed() || ctx.Err() != nil:
		closeNow(c)
		return nil, unfit, why
	case errors.As(why, &second):
		return c, secondary, why
	}
	return c, unfit, why
}

func closeNow(c *pgconn.PgConn) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = c.Close(ctx)
}

func (r *roles) set(i int, is role) {
	r.mu.Lock()
	was := r.are[i]
	r.are[i] = is
	close(r.changed)
	r.changed = make(chan struct{})
	stranded := r.stranded()
	r.mu.Unlock()
	for _, s := range stranded {
		s.stop(errReplaced)
	}
	host := r.configs[i].Host + ":" + fmt.Sprint(r.configs[i].Port)
	switch {
	case is.fit != unfit && (!was.asked || was.fit == unfit):
		r.log.Info("server has the role asked for", "server", host)
	case is.fit == unfit && (!was.asked || was.fit != unfit):
		r.log.Warn("server gets no new sessions", "server", host, "because", is.why)
	}
}

// lost notes that a host could not be reached after all; it is asked again at once.
func (r *roles) lost(i int) {
	r.mu.Lock()
	r.are[i].fit = unfit
	r.mu.Unlock()
	select {
	case r.kick[i] <- struct{}{}:
	default:
	}
}

// await returns the hosts that fit, and then those that will do. Where there are
// none, or not all have been asked that may fit better, it waits.
func (r *roles) await(ctx context.Context) (first, second []int, err error) {
	for {
		r.mu.Lock()
		are, changed := slices.Clone(r.are), r.changed
		r.mu.Unlock()
		first, second = nil, nil
		var why []error
		all := true
		for i, is := range are {
			switch all = all && is.asked; {
			case is.fit == fitting:
				first = append(first, i)
			case is.fit == secondary:
				second = append(second, i)
			case is.why != nil:
				why = append(why, is.why)
			}
		}
		if len(first) > 0 || all && len(second) > 0 {
			return first, second, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			if len(second) > 0 {
				return nil, second, nil
			}
			return nil, nil, errors.Join(append(why, errors.New("no server has the role that target_session_attrs asks for"))...)
		}
	}
}

// standby is what sessions of a host are told of in_hot_standby, as known.
func (r *roles) standby(i int) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.are[i].standby
}
