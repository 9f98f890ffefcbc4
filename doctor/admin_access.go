package doctor

import (
	"context"
	"crypto/tls"
	"net"
	"slices"

	"github.com/rowback/rowback/proxy"
)

// adminFiles: what says who may ask can be read, as a proxy reads it when it starts.
func (e *examination) adminFiles(name string) bool {
	const mend = "until then the proxy does not start"
	if e.o.AdminTokens != nil {
		if err := e.o.AdminTokens(); err != nil {
			e.fail(name, mend, "%v", err)
			return false
		}
	}
	if e.o.AdminClientCA != "" {
		if _, err := proxy.LoadTLS(e.o.TLSCert, e.o.TLSKey, e.o.AdminClientCA); err != nil {
			e.fail(name, mend, "%v", err)
			return false
		}
	}
	return true
}

// adminTLS: the endpoint answers those alone who have a certificate, which the
// doctor has not. So it is known by its own.
func (e *examination) adminTLS(ctx context.Context, name, mend, address string) {
	ours, err := tls.LoadX509KeyPair(e.o.TLSCert, e.o.TLSKey)
	if err != nil {
		e.fail(name, mend, "%v", err)
		return
	}
	var shown tls.ConnectionState
	dialer := tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{
		InsecureSkipVerify: true, // compared below; nothing is sent
		VerifyConnection:   func(s tls.ConnectionState) error { shown = s; return nil },
	}}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	c, err := dialer.DialContext(ctx, "tcp", address)
	if err == nil {
		_ = c.Close()
	}
	switch {
	case len(shown.PeerCertificates) == 0:
		e.fail(name, mend, "%v, and what answers at %s is no rowback proxy with admin-client-ca", err, e.o.Admin)
	case !slices.Equal(shown.PeerCertificates[0].Raw, ours.Certificate[0]):
		e.warn(name, "send the proxy SIGHUP; or end what listens there", "what answers at %s shows another certificate than tls-cert: a proxy that has not read the new one, or none", e.o.Admin)
	default:
		e.runs = true
		e.ok(name, "a proxy answers at %s; whether it is ready it tells those with a certificate (curl --cert … https://%s/readyz)", e.o.Admin, e.o.Admin)
	}
}
