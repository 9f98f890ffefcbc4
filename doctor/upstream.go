package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/internal/passfile"
)

// upstream: the servers behind the proxy answer, and as PostgreSQL does.
func (e *examination) upstream(ctx context.Context) {
	const mend = "start the server, or name another with --upstream"
	config, err := pgconn.ParseConfig(e.o.Upstream)
	if err != nil {
		e.fail("upstream", mend, "%s cannot be used", e.o.Redacted)
		return
	}
	hosts := append([]*pgconn.FallbackConfig{{Host: config.Host, Port: config.Port, TLSConfig: config.TLSConfig}}, config.Fallbacks...)
	tried, answered := map[string]bool{}, []string{}
	var errs, short []error // short: of what sslmode asks for
	var bound binding
	for _, h := range hosts {
		network, address := pgconn.NetworkAddress(h.Host, h.Port)
		if tried[address] {
			continue
		}
		tried[address] = true
		if address == e.o.Listen {
			errs = append(errs, fmt.Errorf("%s is where the proxy itself listens", address))
			continue
		}
		offers, elsewhere, theirs, err := greet(ctx, network, address, e.o.TLSCert != "")
		if err != nil {
			errs = append(errs, err)
			continue
		}
		answered = append(answered, address+" answers, "+offers)
		if offers == withTLS && e.o.TLSCert != "" {
			bound.add(address, elsewhere, tlsOnly(hosts, h), theirs, e.o.TLSCert)
		}
		if network != "unix" && tlsOnly(hosts, h) {
			if err := underTLS(ctx, network, address, h.TLSConfig); err != nil {
				short = append(short, err)
			}
		}
	}
	switch {
	case len(answered) == 0:
		e.fail("upstream", mend, "%v", errors.Join(errs...))
	case len(errs) > 0:
		e.warn("upstream", mend, "%s; but %v", strings.Join(answered, "; "), errors.Join(errs...))
	default:
		e.ok("upstream", "%s", strings.Join(answered, "; "))
	}
	const mendTLS = "mend sslmode or sslrootcert in upstream, or the server's certificate: clients' sessions fail as this one did"
	switch {
	case len(short) == len(answered) && len(short) > 0:
		e.fail("upstream", mendTLS, "%v", errors.Join(short...))
	case len(short) > 0:
		e.warn("upstream", mendTLS, "%v", errors.Join(short...))
	}
	e.binding(bound)
}

const withTLS = "with TLS"

// greet asks a server whether it takes TLS, which says that it is PostgreSQL,
// and is a question that it does not log; elsewhere: it is not on loopback. With shows
// also which certificate it shows, nil if that cannot be told.
func greet(ctx context.Context, network, address string, shows bool) (offers string, elsewhere bool, certificate []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, answer, err := askTLS(ctx, network, address)
	if err != nil {
		return "", false, nil, err
	}
	defer conn.Close()
	if tcp, ok := conn.RemoteAddr().(*net.TCPAddr); ok {
		elsewhere = !tcp.IP.IsLoopback()
	}
	switch answer {
	case 'S':
		if shows {
			certificate = presented(ctx, conn)
		}
		return withTLS, elsewhere, certificate, nil
	case 'N':
		return "without TLS", elsewhere, nil, nil
	}
	return "", false, nil, fmt.Errorf("%s is no PostgreSQL server", address)
}

// askTLS sends an SSLRequest and returns the byte that answers it. The caller closes
// the connection, which goes as far as ctx's deadline.
func askTLS(ctx context.Context, network, address string) (net.Conn, byte, error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return nil, 0, err
	}
	deadline, _ := ctx.Deadline()
	_ = conn.SetDeadline(deadline) // a socket just opened takes one
	answer := make([]byte, 1)
	if _, err = conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err == nil {
		_, err = io.ReadFull(conn, answer)
	}
	if err != nil {
		conn.Close()
		return nil, 0, fmt.Errorf("%s takes connections, but does not answer as PostgreSQL does: %w", address, err)
	}
	return conn, answer[0], nil
}

// underTLS is why a server's TLS does not meet what sslmode asks for, nil if it does.
func underTLS(ctx context.Context, network, address string, config *tls.Config) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, answer, err := askTLS(ctx, network, address)
	if err != nil {
		return err
	}
	defer conn.Close()
	if answer != 'S' {
		return fmt.Errorf("%s does not accept TLS, which sslmode requires", address)
	}
	t := tls.Client(conn, config)
	if err := t.HandshakeContext(ctx); err != nil {
		return fmt.Errorf("%s: TLS handshake: %w", address, err)
	}
	_ = t.Close() // said to the server, which logs nothing then
	return nil
}

// control: the proxy's own look-ups, where it was given credentials for them.
func (e *examination) control(ctx context.Context) {
	const name = "control connection"
	if !e.o.Control {
		e.ok(name, "none, as upstream has no credentials: what is in doubt after a crash is settled when clients come back")
		return
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	config, err := pgx.ParseConfig(e.o.Upstream)
	if err != nil {
		return // the upstream's check says so
	}
	maps.Copy(config.RuntimeParams, e.o.ControlSettings)
	conn, err := pgx.ConnectConfig(ctx, config)
	switch answer := (*pgconn.PgError)(nil); {
	case errors.As(err, &answer):
		e.fail(name, ControlMend(err)+": the proxy works without, too", "%s does not let the proxy in: %s", e.o.Redacted, said(err))
		return
	case err != nil: // no word of the server's: clients will not get further
		e.fail(name, "mend the address, sslmode or sslrootcert in upstream: clients' sessions fail as this one did", "%s cannot be used: %s", e.o.Redacted, said(err))
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if _, err := catalog.Fingerprint(ctx, catalog.FromConn(conn)); err != nil {
		e.fail(name, toRead(err), "%s: %s", e.o.Redacted, said(err))
		return
	}
	e.ok(name, "works, as %s", config.User)
}

// ControlMend is what to do where a server refuses the proxy's own connection.
func ControlMend(err error) string {
	if none := passfile.Unfound(err); none != "" {
		return none + ": give one where PGPASSFILE says, in ~/.pgpass or in PGPASSWORD, or leave the user in upstream out"
	}
	var answer *pgconn.PgError
	switch errors.As(err, &answer); {
	case answer == nil:
		return "mend upstream, or leave user and password in it out"
	case strings.HasPrefix(answer.Code, "28"): // invalid_authorization_specification
		return "mend user, password or certificate (sslcert, sslkey) in upstream, or leave them out"
	case answer.Code == "3D000": // invalid_catalog_name
		return "name a database in upstream that is there, or leave user and password out"
	case answer.Code == "42501": // insufficient_privilege
		return "let this role connect to the database, or leave user and password in upstream out"
	case answer.Code == "08P01": // protocol_violation
		return "what answers there, a pooler perhaps, does not take the settings of rowback's own connection: leave user and password in upstream out"
	}
	return "mend what upstream asks the server for, or leave user and password in it out"
}

// said is what a server answered, without what the driver wraps around it.
func said(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Message
	}
	var connect *pgconn.ConnectError
	if errors.As(err, &connect) {
		return strings.ReplaceAll(connect.Unwrap().Error(), "\n", "; ")
	}
	return err.Error()
}

// toRead is what helps where the catalog could not be read.
func toRead(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "see whether the server is under load, or a lock on its catalog is held, and try again"
	}
	return "let this role read pg_catalog"
}
