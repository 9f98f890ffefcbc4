package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rowback/rowback/internal/pooler"
)

// idlers is how many sessions are open while memory is measured: enough for the
// proxy to give back what letting them in took (proxy/trim.go).
const idlers = 1000

// memories are what an idle session takes that has run one query, of pgbouncer and
// of rowback, both in front of a pgbouncer in transaction mode.
func memories(l *lab) (cases []work) {
	for _, secure := range []bool{false, true} {
		name, g := "memory of an idle session, plain", atMost(4)
		if secure {
			name, g = "memory of an idle session, TLS", atMost(20)
		}
		cases = append(cases, &other{name, func(ctx context.Context) ([]result, error) {
			if !hasProc() {
				return nil, errors.New("there is no /proc here")
			}
			theirs, ours, err := l.idle(ctx, secure)
			r := result{Name: name, Peer: "pgbouncer", Unit: "KiB", Peers: theirs, Ours: ours, Figure: "KiB"}
			return []result{r.figures([]float64{ours}, g)}, err
		}})
	}
	return cases
}

// idle is KiB a session.
func (l *lab) idle(ctx context.Context, secure bool) (theirs, ours float64, err error) {
	few := []string{"default_pool_size = 20"} // comes after, and so counts
	front, err := l.startPooler(ctx, "transaction", few...)
	if err != nil {
		return 0, 0, err
	}
	flags := []string{"--upstream", front.Addr}
	if secure {
		cert, key, err := certificate(l.dir)
		if err != nil {
			return 0, 0, err
		}
		flags = append(flags, "--tls-cert", cert, "--tls-key", key)
		few = append(few, "client_tls_sslmode = require", "client_tls_cert_file = "+cert, "client_tls_key_file = "+key)
	}
	proxy, err := l.startProxy(ctx, "block", flags...)
	if err != nil {
		return 0, 0, err
	}
	peer, err := l.startPooler(ctx, "transaction", few...)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, proxy.stop(), l.end(peer), l.end(front)) }()
	if theirs, err = held(ctx, peer.PID(), peer.Addr, secure, 0); err != nil {
		return 0, 0, fmt.Errorf("pgbouncer: %w", err)
	}
	ours, err = held(ctx, proxy.process.PID(), proxy.addr, secure, 25*time.Second)
	return theirs, ours, err
}

// end stops a pooler before the lab is closed.
func (l *lab) end(p *pooler.Pooler) error {
	for i, other := range l.poolers {
		if other == p {
			l.poolers = append(l.poolers[:i], l.poolers[i+1:]...)
			return p.Stop()
		}
	}
	return nil
}

// held is how many KiB a process takes for each of the idlers, the least within some
// time after they have come: it gives memory back when things have calmed down.
func held(ctx context.Context, pid int, addr string, secure bool, wait time.Duration) (float64, error) {
	one, err := gather(ctx, addr, "postgres", 1, secure) // what is made once is made
	if err != nil {
		return 0, err
	}
	defer one.leave()
	before, err := memory(pid, "VmRSS")
	if err != nil {
		return 0, err
	}
	all, err := gather(ctx, addr, "postgres", idlers, secure)
	if err != nil {
		return 0, err
	}
	defer all.leave()
	idle, err := memory(pid, "VmRSS")
	for end := time.Now().Add(wait); err == nil && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(500 * time.Millisecond):
		}
		var now int64
		now, err = memory(pid, "VmRSS")
		idle = min(idle, now)
	}
	return float64(idle-before) / 1024 / idlers, err
}
