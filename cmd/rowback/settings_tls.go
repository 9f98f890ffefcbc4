package main

import (
	"crypto/tls"

	"github.com/rowback/rowback/proxy"
)

// requireTLS: no client without TLS gets in, but on unix sockets. A certificate cannot
// be asked of one.
func (s *settings) requireTLS() bool {
	return s.TLSRequired == "on" || s.TLSRequired == "" && s.TLSClientCA != ""
}

// tls is what clients are shown, as the files are now; nil: nothing.
func (s *settings) tls() (*tls.Config, error) {
	if s.TLSCert == "" {
		return nil, nil
	}
	return proxy.LoadTLS(s.TLSCert, s.TLSKey, s.TLSClientCA)
}
