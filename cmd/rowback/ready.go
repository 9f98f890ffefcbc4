package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
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

// upstreamAnswers: one of the upstream's hosts takes a connection, under TLS where
// the upstream setting asks for it. It is closed before a startup packet, which a server does not log.
func upstreamAnswers(upstream string) probe {
	return func(ctx context.Context) error {
		config, err := pgconn.ParseConfig(connString(upstream))
		if err != nil {
			return fmt.Errorf("upstream %s cannot be used: %s", redact(upstream), parseReason(err))
		}
		type host struct{ network, address string }
		var hosts []host
		under := map[host]*tls.Config{} // nil: a connection in the clear will do
		for _, f := range append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...) {
			var h host
			h.network, h.address = pgconn.NetworkAddress(f.Host, f.Port)
			if _, seen := under[h]; !seen {
				hosts = append(hosts, h)
				under[h] = f.TLSConfig
			}
			if f.TLSConfig == nil || h.network == "unix" {
				under[h] = nil
			}
		}
		var errs []error
		for _, h := range hosts {
			err := answers(ctx, h.network, h.address, under[h], config.SSLNegotiation == "direct")
			if err == nil {
				return nil
			}
			errs = append(errs, err)
		}
		return fmt.Errorf("the upstream cannot be reached: %w", errors.Join(errs...))
	}
}

// answers connects, and goes as far as TLS if there is to be any.
func answers(ctx context.Context, network, address string, config *tls.Config, direct bool) error {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil || config == nil {
		if err == nil {
			err = conn.Close()
		}
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(probeTimeout)); err != nil {
		return err
	}
	if !direct {
		if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil { // SSLRequest
			return err
		}
		answer := make([]byte, 1)
		if _, err := io.ReadFull(conn, answer); err != nil {
			return err
		}
		if answer[0] != 'S' {
			return fmt.Errorf("%s does not accept TLS, which sslmode requires", address)
		}
	}
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%s: TLS handshake: %w", address, err)
	}
	return t.Close()
}
