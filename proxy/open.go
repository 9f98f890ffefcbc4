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
// tried in order as libpq does, or at random (load_balance_hosts): the next one if a host cannot be reached or is
// starting up; the host's other endpoint (sslmode allow, prefer) if it refuses
// this one before it asks for anything. The server's first message waits in sin.
// Where a role is asked for, hosts that have it are waited for as long as an
// attempt to connect may take.
func (r *relay) open(ctx context.Context) error {
	var failed []error
	if r.legs.roles == nil {
		all := make([]int, len(r.legs.hosts))
		for i := range all {
			all[i] = i
		}
		for n, i := range r.legs.order(all) {
			opened, errs := r.openHost(ctx, i, n == len(all)-1)
			if opened {
				return nil
			}
			failed = append(failed, errs...)
		}
		return cannotConnect(failed)
	}
	waited, cancel := context.WithTimeout(ctx, r.legs.timeout)
	defer cancel()
	for {
		first, second, err := r.legs.roles.await(waited)
		if err != nil {
			return cannotConnect(append(failed, err))
		}
		failed = nil
		for _, i := range append(r.legs.order(first), r.legs.order(second)...) {
			opened, errs := r.openHost(ctx, i, false)
			if opened {
				r.opening.standby = r.legs.roles.standby(i)
				r.legs.roles.board(i, r)
				return nil
			}
			r.legs.roles.lost(i)
			failed = append(failed, errs...)
		}
		if noFiles(errors.Join(failed...)) {
			return cannotConnect(failed)
		}
		select { // it may answer who watches it, and not us
		case <-time.After(50 * time.Millisecond):
		case <-waited.Done():
		}
	}
}

func cannotConnect(failed []error) error {
	if full := errors.Join(failed...); noFiles(full) {
		return tooMany("The proxy, or its machine, can open no more files: a session needs two (ulimit -n, LimitNOFILE).", full)
	}
	return &clientError{code: codeCannotConnect, message: "the proxy cannot reach the database server",
		detail: errors.Join(failed...).Error(),
		hint:   "Check that the server runs and that the proxy's upstream setting names it.", cause: errors.Join(failed...)}
}

// noFiles reports whether no more files can be opened: no other host will help.
func noFiles(err error) bool { return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) }

// openHost connects to one host; last: what it says is the client's answer, even
// if it is starting up.
func (r *relay) openHost(ctx context.Context, i int, last bool) (opened bool, failed []error) {
	endpoints := r.legs.hosts[i].endpoints
	for j, ep := range endpoints {
		patience := r.srv.o.StartupTimeout
		if !last && len(r.legs.hosts) > 1 { // it may hang, and another one not
			patience = min(patience, ep.timeout)
		}
		code, err := r.openEndpoint(ctx, ep, patience)
		switch {
		case err != nil:
			failed = append(failed, err)
			if isDialError(err) {
				return false, failed // the host's other endpoint will not be reached either
			}
			continue
		case code == "57P03" && !last:
			r.server.Close()
			return false, append(failed, errors.New(ep.addr+" is starting up or shutting down"))
		case code == codeInvalidAuth && j < len(endpoints)-1:
			r.server.Close()
			continue
		}
		return true, nil
	}
	return false, failed
}

// moved is why the server is not the one that it was chosen for, by what it has said
// so far: its role has just changed.
func (r *relay) moved() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	is := r.params.get("in_hot_standby")
	if o := r.opening; o == nil || o.standby == "" || is == "" || is == o.standby {
		return nil
	}
	return &clientError{code: codeCannotConnect, message: "the database server has just changed its role",
		hint: "Connect again: the proxy looks for one that has the role which target_session_attrs asks for."}
}

// openEndpoint returns the SQLSTATE if the server's first message, for which it waits so long, is an error.
func (r *relay) openEndpoint(ctx context.Context, ep endpoint, patience time.Duration) (code string, err error) {
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
	c.SetDeadline(time.Now().Add(patience))
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sin := newInbuf(c)
	sin.memory, sin.copied = r.info.Memory, true
	if _, err = c.Write(r.opening.packet); err == nil {
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
	c.SetDeadline(time.Now().Add(r.srv.o.StartupTimeout))
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
