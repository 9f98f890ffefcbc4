package doctor

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"syscall"

	"github.com/rowback/rowback/proxy"
)

// listen: the address for clients is free for a proxy to take, or one has it. After the
// check of the admin endpoint, which knows whether a proxy runs.
func (e *examination) listen(ctx context.Context) {
	const name, mend = "listen", "end what listens there (ss -ltnp names it), or give another address with --listen"
	network, address, err := proxy.ListenAddr(e.o.Listen)
	if err != nil {
		e.fail(name, "mend it in the configuration", "%v", err)
		return
	}
	free := e.free(ctx, network, address)
	if free == nil {
		e.ok(name, "%s is free", e.o.Listen)
		return
	}
	if errors.Is(free, syscall.EADDRINUSE) || errors.Is(free, syscall.EACCES) { // a low port may be the service manager's, which listens for the proxy
		_, _, _, err = greet(ctx, network, address, false)
	} else {
		err = free
	}
	switch {
	case err == nil && e.runs:
		e.ok(name, "the proxy that runs listens at %s", e.o.Listen)
	case err == nil && e.absent:
		e.warn(name, mend, "%s is taken, by what answers as PostgreSQL does, and no proxy answers at %s: it is another server, or a proxy with another admin endpoint", e.o.Listen, e.o.Admin)
	case err == nil:
		e.note(name, "%s is taken, by what answers as PostgreSQL does: the proxy, if it runs", e.o.Listen)
	case errors.Is(free, syscall.EADDRINUSE):
		e.fail(name, mend, "%v, and it is no rowback proxy: %v", free, err)
	case errors.Is(free, syscall.EADDRNOTAVAIL):
		e.fail(name, "give an address of this machine with --listen, or :port for all that it has", "%v", free)
	case errors.Is(free, syscall.EACCES):
		e.fail(name, "give another port or directory with --listen, or run this as the user that the proxy runs as", "%v", free)
	case network == "unix" && errors.Is(free, fs.ErrNotExist):
		e.fail(name, "make the directory, or give another one with --listen", "%v", free)
	default:
		e.fail(name, "give another address with --listen", "%v", free)
	}
}

// free is why a proxy could not listen there now, nil if it could.
func (e *examination) free(ctx context.Context, network, address string) error {
	if network == "unix" {
		switch info, err := os.Lstat(address); {
		case err == nil && info.Mode().Type() != os.ModeSocket:
			return errors.New(address + " is in the way, and is no socket")
		case err == nil: // one that nobody listens on any more the proxy replaces
			c, err := (&net.Dialer{}).DialContext(ctx, network, address)
			if err == nil {
				_ = c.Close() // only asked for
				return &net.OpError{Op: "listen", Net: network, Addr: &net.UnixAddr{Name: address, Net: network}, Err: syscall.EADDRINUSE}
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				return nil
			}
			return err
		}
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, network, address)
	if err != nil {
		return err
	}
	return l.Close() // only asked for
}
