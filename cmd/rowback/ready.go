package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/journal"
)

const (
	probeTimeout = 2 * time.Second // longest wait for one answer
	probeKept    = time.Second     // how long an answer stands for the next one who asks
)

// probe is one thing that must work for the proxy to be of use; nil: it does.
type probe func(context.Context) error

// kept asks p at most once in probeKept, whoever asks; now is the clock.
func (p probe) kept(now func() time.Time) probe {
	var mu sync.Mutex // guards the two below; held while p is asked
	var asked time.Time
	var answer error
	return func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if asked.IsZero() || now().Sub(asked) > probeKept {
			// The answer is others' too: it does not depend on who asked first.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), probeTimeout)
			defer cancel()
			answer, asked = p(ctx), now()
		}
		return answer
	}
}

// journalTakes: an entry could be written.
func journalTakes(j journal.Journal) probe {
	return func(ctx context.Context) error {
		if err := j.Ping(ctx); err != nil {
			return fmt.Errorf("the journal cannot be written: %w", err)
		}
		return nil
	}
}

// upstreamAnswers: one of the upstream's hosts takes a connection. It is closed
// before anything is said, which a server does not log.
func upstreamAnswers(upstream string) probe {
	return func(ctx context.Context) error {
		config, err := pgconn.ParseConfig(connString(upstream))
		if err != nil {
			return fmt.Errorf("upstream %s cannot be used: %s", redact(upstream), parseReason(err))
		}
		var errs []error
		tried := map[string]bool{}
		for _, host := range append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port}}, config.Fallbacks...) {
			network, address := pgconn.NetworkAddress(host.Host, host.Port)
			if tried[address] {
				continue
			}
			tried[address] = true
			conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				return conn.Close()
			}
			errs = append(errs, err)
		}
		return fmt.Errorf("the upstream cannot be reached: %w", errors.Join(errs...))
	}
}
