package proxy

import (
	"crypto/tls"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"time"

	"github.com/rowback/rowback/internal/budget"
)

// Options of a Server. Listen and Upstream have no default.
type Options struct {
	// Listen is where clients connect: "host:port", or a directory for a unix
	// socket ("/dir" or "/dir:port"; the socket is /dir/.s.PGSQL.port, port 6432
	// if none is given).
	Listen string
	// Listener is open already, of this kind (TCP or unix), and is served in place of
	// a new one; nil: Listen opens one. The Server closes it.
	Listener net.Listener
	// Elsewhere passes a cancel request on whose key no session here has, and reports
	// whether it found one: a process before this one may have it. nil: there is none.
	Elsewhere func(key []byte) bool
	// Upstream is the server: "host:port", a socket directory, a postgres URL or a
	// "key=value …" string as libpq reads them, with several hosts tried in
	// order (load_balance_hosts=random: in none), sslmode, sslrootcert, sslcert, sslkey, connect_timeout.
	// With target_session_attrs, its user and password find out
	// which servers have that role; for nothing else: clients authenticate themselves.
	Upstream string
	// TLS of the clients' side; nil answers N to SSLRequest. See LoadTLS.
	TLS *tls.Config
	// RequireTLS refuses clients that do not use TLS (unix sockets are exempt).
	RequireTLS bool
	// StartupTimeout bounds the time from accept to the first ReadyForQuery. Default 1 minute.
	StartupTimeout time.Duration
	// ConnectTimeout bounds each attempt to reach a server, where Upstream says
	// nothing (connect_timeout). Default 10 seconds.
	ConnectTimeout time.Duration
	// DepartTimeout bounds how long a session goes on whose client sends no more, for what
	// it sent before: who has gone for good looks the same. Default 30 seconds.
	DepartTimeout time.Duration
	// DrainTimeout bounds Drain. Default: none but its context.
	DrainTimeout time.Duration
	// MaxSessions at a time; more are refused with 53300, as are those for which the
	// process may not open two files each. Default: no limit but that.
	MaxSessions int
	// MaxPerUser and MaxPerAddress are likewise for the sessions of one user, and
	// from one client address (unix sockets are exempt). Default: no limit.
	MaxPerUser, MaxPerAddress int
	// MaxPerNetwork is likewise for all sessions from each of these networks together.
	MaxPerNetwork map[netip.Prefix]int
	// MaxMessage is the largest message accepted from either side, in bytes. Default DefaultMaxMessage.
	MaxMessage int
	// Memory is what messages that must be seen whole are taken from, as far as they are
	// longer than budget.Floor. One that finds no room gets 53200: a client's is not run,
	// the server's end their session but for rows, see ErrRowLost. A session goes that has some
	// and whose client stops, where others wait (budget.Share). Default: any amount.
	Memory *budget.Budget
	// Loops is how many goroutines move messages. Each keeps a processor of Go's (one of
	// GOMAXPROCS) while messages come, so that the program needs more of them than there are
	// Loops. Default: HalfOfProcessors, and none is kept.
	Loops int
	// Logger gets a line for each session that ended with an error. Default: none.
	Logger *slog.Logger
	// Judge of the sessions; nil relays everything.
	Judge Judge
}

const defaultPort = "6432"

// HalfOfProcessors is how many loops a machine keeps busy: the other half is for
// servers, Sessions and TLS.
func HalfOfProcessors() int { return max(1, runtime.GOMAXPROCS(0)/2) }

func (o *Options) setDefaults() {
	if o.StartupTimeout <= 0 {
		o.StartupTimeout = time.Minute
	}
	if o.ConnectTimeout <= 0 {
		o.ConnectTimeout = 10 * time.Second
	}
	if o.DepartTimeout <= 0 {
		o.DepartTimeout = 30 * time.Second
	}
	if o.MaxMessage <= 0 {
		o.MaxMessage = DefaultMaxMessage
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}
