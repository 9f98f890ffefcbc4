package proxy

import (
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// endpoint is one way to connect to one server.
type endpoint struct {
	network, addr string
	tls           *tls.Config // nil: in the clear
	optional      bool        // TLS, but in the clear if the server has none (sslmode=prefer)
	direct        bool        // TLS from the first byte (sslnegotiation=direct)
	timeout       time.Duration
	// lookup finds the addresses behind addr, which are tried at random; nil: addr is
	// dialled as it is, its addresses in their resolver's order.
	lookup func(ctx context.Context, host string) ([]string, error)
}

// host is one server of Options.Upstream: its endpoints, in the order that sslmode wants.
type host struct {
	name      string
	endpoints []endpoint
	cancels   lane
}

// parseUpstream reads Options.Upstream, but for Options. The environment (PGSSLMODE, …)
// and service files count as with psql.
func parseUpstream(o Options) (*legs, error) {
	if o.Upstream == "" {
		return nil, errors.New("no upstream server: give host:port or a postgres URL")
	}
	c, err := pgconn.ParseConfig(upstreamURL(o.Upstream))
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err) // pgconn leaves the password out
	}
	l := &legs{timeout: o.ConnectTimeout, modeGiven: ModeGiven(o.Upstream)}
	if c.ConnectTimeout > 0 {
		l.timeout = c.ConnectTimeout
	}
	switch how := c.RuntimeParams[loadBalance]; how { // pgx takes it for a setting of the server
	case "", "disable":
	case "random":
		l.random = true
	default:
		return nil, fmt.Errorf("upstream: load_balance_hosts is disable or random, not %q", how)
	}
	delete(c.RuntimeParams, loadBalance)
	timeout := l.timeout
	var hosts []host
	var configs []*pgconn.Config
	add := func(name string, port uint16, t *tls.Config) {
		if t != nil {
			t.DynamicRecordSizingDisabled = true // a message in one piece
		}
		ep := endpoint{network: "tcp", addr: net.JoinHostPort(name, strconv.Itoa(int(port))), tls: t, timeout: timeout,
			direct: t != nil && c.SSLNegotiation == "direct"}
		if strings.HasPrefix(name, "/") {
			ep.network, ep.addr, ep.tls, ep.direct = "unix", socketPath(name, strconv.Itoa(int(port))), nil, false
		} else if l.random {
			ep.lookup = net.DefaultResolver.LookupHost
		}
		if n := len(hosts); n == 0 || hosts[n-1].name != ep.addr {
			hosts = append(hosts, host{name: ep.addr, cancels: newLane()})
			configs = append(configs, probeConfig(c, name, port, t))
		} else {
			one := configs[n-1]
			one.Fallbacks = append(one.Fallbacks, &pgconn.FallbackConfig{Host: name, Port: port, TLSConfig: t})
		}
		h := &hosts[len(hosts)-1]
		if n := len(h.endpoints); n > 0 && ep.tls == nil {
			h.endpoints[n-1].optional = true
			if ep.network == "unix" || h.endpoints[n-1].tls == nil {
				return
			}
		}
		h.endpoints = append(h.endpoints, ep)
	}
	add(c.Host, c.Port, c.TLSConfig)
	for _, f := range c.Fallbacks {
		add(f.Host, f.Port, f.TLSConfig)
	}
	l.hosts = hosts
	if c.ValidateConnect != nil {
		l.roles = newRoles(configs, c.ValidateConnect, timeout, o.Logger)
	}
	return l, nil
}

var sslMode = regexp.MustCompile(`\bsslmode\s*=`)

// ModeGiven reports whether the upstream or the environment says an sslmode. Else it
// is prefer, which nobody may have thought of.
func ModeGiven(upstream string) bool {
	return sslMode.MatchString(upstream) || os.Getenv("PGSSLMODE") != ""
}

// loadBalance is libpq's name for the order in which hosts are tried.
const loadBalance = "load_balance_hosts"

// probeConfig is how one host is asked for its role.
func probeConfig(c *pgconn.Config, name string, port uint16, t *tls.Config) *pgconn.Config {
	one := c.Copy()
	one.Host, one.Port, one.TLSConfig, one.Fallbacks, one.ValidateConnect = name, port, t, nil, nil
	if one.Database == "" {
		one.Database = "postgres"
	}
	one.RuntimeParams["application_name"] = "rowback"
	return one
}

func upstreamURL(s string) string {
	switch {
	case strings.HasPrefix(s, "/"):
		dir, port := splitSocketDir(s, "5432")
		return "host=" + dir + " port=" + port
	case strings.Contains(s, "://"), strings.Contains(s, "="):
		return s
	}
	return "postgres://" + s
}

// connect dials the endpoint and puts the connection under TLS if it is to be.
func (ep endpoint) connect(ctx context.Context) (net.Conn, error) {
	if ep.lookup == nil {
		return ep.connectTo(ctx, ep.addr)
	}
	host, port, err := net.SplitHostPort(ep.addr)
	if err != nil {
		return nil, err
	}
	addrs, err := ep.lookup(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: ep.network, Err: err}
	}
	var failed []error
	for _, i := range rand.Perm(len(addrs)) {
		c, err := ep.connectTo(ctx, net.JoinHostPort(addrs[i], port))
		if err == nil {
			return c, nil
		}
		failed = append(failed, err)
	}
	return nil, errors.Join(failed...)
}

func (ep endpoint) connectTo(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, ep.timeout)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: keepAlive}
	c, err := d.DialContext(ctx, ep.network, addr)
	if err != nil || ep.tls == nil {
		return c, err
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	t, err := ep.startTLS(c)
	if err != nil || !stop() {
		c.Close()
		return nil, errors.Join(err, ctx.Err())
	}
	return t, nil
}

func (ep endpoint) startTLS(c net.Conn) (net.Conn, error) {
	if !ep.direct {
		request := binary.BigEndian.AppendUint32([]byte{0, 0, 0, 8}, requestSSL)
		if _, err := c.Write(request); err != nil {
			return nil, err
		}
		answer := make([]byte, 1) // no more: what follows must come under TLS
		if _, err := io.ReadFull(c, answer); err != nil {
			return nil, err
		}
		switch {
		case answer[0] == 'N' && ep.optional:
			return c, nil
		case answer[0] != 'S':
			return nil, errors.New("the server does not accept TLS, which sslmode requires")
		}
	}
	t := tls.Client(&carrier{Conn: c}, ep.tls)
	if err := t.Handshake(); err != nil {
		return nil, fmt.Errorf("TLS handshake: %w", err)
	}
	return t, nil
}
