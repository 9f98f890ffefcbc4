package main

import (
	"crypto/tls"

	"github.com/rowback/rowback/proxy"
)

// tls is what clients are shown, as the files are now; nil: nothing.
func (s *settings) tls() (*tls.Config, error) {
	if s.TLSCert == "" {
		return nil, nil
	}
	return proxy.LoadTLS(s.TLSCert, s.TLSKey, s.TLSClientCA)
}
