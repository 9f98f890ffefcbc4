package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"syscall"
	"time"
)

// open connects to a server and sends it the client's startup packet. Hosts are
// tried in order as libpq does: the next one if a host cannot be reached or is
// starting up; the host's other endpoint (sslmode allow, prefer) if it refuses
// this one before it asks for anything. The server's first message waits in sin.
func (r *relay) open(ctx context.Context) error {
	var failed []error
	for i, h := range r.legs.hosts {
		for j, ep := range h.endpoints {
			code, err := r.openEndpoint(ctx, ep)
			if err != nil {
				failed = append(failed, err)
				if isDialError(err) {
					break // the host's other endpoint will not be reached either
				}
				continue
			}
			lastEndpoint, lastHost := j == len(h.endpoints)-1, i == len(r.legs.hosts)-1
			if code == codeInvalidAuth && !lastEndpoint || code == "57P03" && !lastHost {
				r.server.Close()
				if code == "57P03" {
					break
				}
				continue
			}
			return nil
		}
	}
	if full := errors.Join(failed...); errors.Is(full, syscall.EMFILE) || errors.Is(full, syscall.ENFILE) {
		return &clientError{code: codeTooManyConnections, message: "sorry, too many clients already",
			hint: "The proxy may not open more files: it needs two for each session (ulimit -n, LimitNOFILE).", cause: full}
	}
	return &clientError{code: codeCannotConnect, message: "the proxy cannot reach the database server",
		detail: errors.Join(failed...).Error(),
		hint:   "Check that the server runs and that the proxy's upstream setting names it.", cause: errors.Join(failed...)}
}

// openEndpoint returns the SQLSTATE if the server's first message is an error.
func (r *relay) openEndpoint(ctx context.Context, ep endpoint) (code string, err error) {
	c, err := ep.connect(ctx)
	if err != nil {
		return "", err
	}
	if ep.network == "tcp" { // a cancel request must reach this very server
		ep.addr = c.RemoteAddr().String()
	}
	if _, isTLS := c.(*tls.Conn); !isTLS {
		ep.tls = nil
	}
	c.SetDeadline(time.Now().Add(r.srv.o.StartupTimeout))
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sin := newInbuf(c)
	if _, err = c.Write(r.start); err == nil {
		var typ byte
		var body []byte
		if typ, body, _, err = sin.frame(maxAuthMessage); typ == 'E' {
			code = errorField(body, 'C')
		}
	}
	if err != nil {
		c.Close()
		return "", errors.Join(errors.New("connection to "+ep.addr+" failed"), err)
	}
	r.sin, r.ep, r.info.Server = sin, ep, ep.addr
	r.mu.Lock()
	defer r.mu.Unlock()
	r.server = c
	if r.cause != nil {
		c.Close()
		return "", errEnded
	}
	return code, nil
}

func isDialError(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) && op.Op == "dial"
}
