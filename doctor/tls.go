package doctor

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"time"

	"github.com/rowback/rowback/proxy"
)

// soon is how long before its end a certificate is warned of.
const soon = 30 * 24 * time.Hour

// tls: the files can be used, and for how long.
func (e *examination) tls(context.Context) {
	if e.o.TLSCert == "" {
		e.ok("TLS", "none towards clients")
		return
	}
	if _, err := proxy.LoadTLS(e.o.TLSCert, e.o.TLSKey, e.o.TLSClientCA); err != nil {
		e.fail("TLS", "mend the files, or their names, in tls-cert, tls-key and tls-client-ca", "%v", err)
		return
	}
	if info, err := os.Stat(e.o.TLSKey); err == nil && info.Mode().Perm()&0o007 != 0 {
		e.warn("TLS", "chmod 600 "+e.o.TLSKey, "anybody on this host may read the key %s (mode %04o)", e.o.TLSKey, info.Mode().Perm())
	}
	e.expiry(e.o.TLSCert)
	if e.o.TLSClientCA != "" {
		e.expiry(e.o.TLSClientCA)
	}
}

// expiry is about the certificates of a file, the one that ends first.
func (e *examination) expiry(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		e.fail("TLS", "", "%v", err)
		return
	}
	var first *x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			e.fail("TLS", "replace the file", "%s: %v", path, err)
			return
		}
		if first == nil || c.NotAfter.Before(first.NotAfter) {
			first = c
		}
	}
	if first == nil {
		e.fail("TLS", "replace the file", "%s holds no certificate", path)
		return
	}
	now, until := e.o.Now(), first.NotAfter.UTC().Format(time.DateTime)+" UTC"
	const mend = "replace it, and send the proxy SIGHUP"
	switch {
	case now.After(first.NotAfter):
		e.fail("TLS", mend, "the certificate in %s ended %s", path, until)
	case now.Before(first.NotBefore):
		e.fail("TLS", "check the clock of this host, or replace it", "the certificate in %s begins %s UTC", path, first.NotBefore.UTC().Format(time.DateTime))
	case first.NotAfter.Sub(now) < soon:
		e.warn("TLS", mend, "the certificate in %s ends %s", path, until)
	default:
		e.ok("TLS", "the certificate in %s is good until %s", path, until)
	}
}
