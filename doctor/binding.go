package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/proxy"
)

// binding is what becomes of clients that could bind SCRAM to their TLS, which ends at
// the proxy (see package proxy): at servers under TLS whose certificate is not the one
// that clients are shown.
type binding struct {
	clear   []string // servers that the proxy may also reach without TLS, not on loopback
	refused []string // those that it reaches under TLS only, and whose certificate is another one
}

func (b *binding) add(address string, elsewhere, only bool, theirs []byte, file string) {
	switch ours := firstOf(file); {
	case theirs != nil && bytes.Equal(theirs, ours):
	case only && theirs != nil && ours != nil:
		b.refused = append(b.refused, address)
	case !only && elsewhere:
		b.clear = append(b.clear, address)
	}
}

func (e *examination) binding(b binding) {
	const who = "clients under TLS that know channel binding (libpq does) and log in by SCRAM "
	const mend = "in tls-cert the server's own certificate, or clients that connect with channel_binding=disable; or sslmode=prefer"
	if len(b.refused) > 0 {
		e.warn("upstream", mend+" in upstream, if the clear will do", who+"are refused (28000), at %s: its certificate is another one than tls-cert", strings.Join(b.refused, ", "))
	}
	if len(b.clear) == 0 || proxy.ModeGiven(e.o.Upstream) {
		return
	}
	what := "go on to the server in the clear"
	if e.o.RequireTLS {
		what = "are refused (28000)"
	}
	e.warn("upstream", "sslmode=require in upstream, and "+mend+", if the clear will do", who+"%s, at %s, unless tls-cert is its certificate", what, strings.Join(b.clear, ", "))
}

// tlsOnly reports whether the proxy uses no other way to a host than TLS, by its sslmode.
func tlsOnly(hosts []*pgconn.FallbackConfig, h *pgconn.FallbackConfig) bool {
	for _, x := range hosts {
		if x.Host == h.Host && x.Port == h.Port && x.TLSConfig == nil {
			return false
		}
	}
	return true
}

// firstOf is the certificate of a file that is shown.
func firstOf(file string) []byte {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil // the check of TLS says so
	}
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type == "CERTIFICATE" {
			return block.Bytes
		}
	}
	return nil
}

// presented is the certificate that a server shows, which has agreed to TLS.
func presented(ctx context.Context, conn net.Conn) (certificate []byte) {
	_ = tls.Client(conn, &tls.Config{
		InsecureSkipVerify: true, // only to look at it: nothing is said to the server
		VerifyPeerCertificate: func(raw [][]byte, _ [][]*x509.Certificate) error {
			if len(raw) > 0 {
				certificate = raw[0]
			}
			return nil
		},
	}).HandshakeContext(ctx) // it may ask for a certificate of ours after that
	return certificate
}
