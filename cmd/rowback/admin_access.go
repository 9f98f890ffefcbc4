package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/rowback/rowback/proxy"
)

// access says who may ask the admin endpoint, and who may act through it.
type access struct {
	read, act string // bearer tokens, "" if there is none
}

// door is how the admin endpoint lets people in; it changes with the files that it is read from.
type door struct {
	access
	tls *tls.Config // with which clients must show a certificate; nil: in clear
}

// door reads the tokens and certificates. Its errors are usage errors.
func (s *settings) door() (d door, err error) {
	if d.access, err = s.adminAccess(); err != nil || s.AdminClientCA == "" {
		return d, err
	}
	if d.tls, err = proxy.LoadTLS(s.TLSCert, s.TLSKey, s.AdminClientCA); err != nil {
		return d, usageError(err)
	}
	d.tls.NextProtos = []string{"h2", "http/1.1"}
	// As for the sessions: a client that a CA has been taken from must not get in by an old ticket.
	d.tls.SessionTicketsDisabled = true
	return d, nil
}

// leastToken is how long a token must be: it is all that stands before the journal.
const leastToken = 16

// adminAccess reads the tokens. Its errors are usage errors and do not show them.
func (s *settings) adminAccess() (a access, err error) {
	for _, t := range []struct {
		name, file string
		to         *string
	}{{"admin-token", s.AdminToken, &a.read}, {"admin-act-token", s.AdminActToken, &a.act}} {
		text := s.env[envName(t.name)]
		if s.origin[t.name] != envName(t.name) {
			if text = ""; t.file == "" {
				continue
			}
			b, err := os.ReadFile(t.file)
			if err != nil {
				return a, usageError(fmt.Errorf("%s: %w", s.origin[t.name], err))
			}
			text = string(b)
		}
		if text = strings.TrimSpace(text); len(text) < leastToken || strings.ContainsAny(text, " \t\r\n") {
			return a, usageError(fmt.Errorf("%s: the token must be one word of at least %d characters (openssl rand -hex 32)", s.origin[t.name], leastToken))
		}
		*t.to = text
	}
	return a, nil
}

// checkAdminAccess: who can reach the endpoint from elsewhere must be known. A token
// that is taken back (--admin-token "") is none.
func (s *settings) checkAdminAccess(addr string) error {
	known := s.AdminToken != "" || s.origin["admin-token"] == envName("admin-token") || s.AdminClientCA != ""
	switch {
	case s.AdminClientCA != "" && s.TLSCert == "":
		return errors.New("admin-client-ca needs tls-cert and tls-key: the endpoint shows that certificate")
	case addr == "" || addr == "off" || known || onLoopback(addr):
		return nil
	}
	return fmt.Errorf("%s can be reached from other machines: set admin-token (a file with a secret that clients send as a bearer token) or admin-client-ca, or keep it on 127.0.0.1", addr)
}

func onLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

// askers is the access that is in force.
type askers func() access

// reading lets through who may read. Without a token that is everybody who comes
// to this machine by its address: a page in a browser that has its own name
// resolved to us comes by that name.
func (who askers) reading(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		a := who()
		switch {
		case a.identified(q):
		case a.read != "":
			unauthorized(w)
			return
		case !byAddress(q.Host):
			http.Error(w, "ask by address, or as localhost; other names need an admin-token", http.StatusMisdirectedRequest)
			return
		}
		next(w, q)
	}
}

// private lets through who may read what is nobody else's business: statements and names of tables.
func (who askers) private(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		a := who()
		switch {
		case a.identified(q):
			next(w, q)
		case a.read == "" && a.act == "":
			http.Error(w, "the journal is shown to who has a token: set admin-token", http.StatusForbidden)
		default:
			unauthorized(w)
		}
	}
}

// acting lets through who may act.
func (who askers) acting(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, q *http.Request) {
		a := who()
		switch {
		case is(q, a.act):
			next(w, q)
		case a.act == "":
			http.Error(w, "nobody acts through this endpoint: set admin-act-token", http.StatusForbidden)
		case a.identified(q):
			http.Error(w, "this token, or certificate, is for reading", http.StatusForbidden)
		default:
			unauthorized(w)
		}
	}
}

func unauthorized(w http.ResponseWriter) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="rowback"`)
	http.Error(w, "a token is needed: Authorization: Bearer …", http.StatusUnauthorized)
}

// identified: the client has one of the tokens, or a certificate.
func (a access) identified(q *http.Request) bool {
	return is(q, a.read) || is(q, a.act) || q.TLS != nil && len(q.TLS.VerifiedChains) > 0
}

func is(q *http.Request, token string) bool {
	given, ok := strings.CutPrefix(q.Header.Get("Authorization"), "Bearer ")
	x, y := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(token))
	return ok && token != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

// byAddress: the Host of a request is an address or localhost.
func byAddress(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return host == "localhost" || net.ParseIP(strings.Trim(host, "[]")) != nil
}
