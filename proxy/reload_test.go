package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

func mustLoad(t *testing.T, cert, key, clientCA string) *tls.Config {
	t.Helper()
	c, err := LoadTLS(cert, key, clientCA)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func reload(t *testing.T, s *Server, c *tls.Config, required bool) {
	t.Helper()
	apply, err := s.Reload(c, required)
	if err != nil {
		t.Fatal(err)
	}
	apply()
}

// Clients to come are shown the new certificate and asked for one of the new CA;
// sessions go on.
func TestReload_ClientsSide(t *testing.T) {
	before, after := testcert.New(t), testcert.New(t)
	oldClient, oldClientKey := before.Issue(t, "client")
	newClient, newClientKey := after.Issue(t, "client")
	cert, key := before.Issue(t, "proxy")
	s := serve(t, Options{TLS: mustLoad(t, cert, key, before.CA)})
	open := func(a *testcert.Authority, cert, key string) (*pgx.Conn, error) {
		return pgx.Connect(t.Context(), fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=verify-full&sslrootcert=%s&sslcert=%s&sslkey=%s", s.Addr(), a.CA, cert, key))
	}
	old, err := open(before, oldClient, oldClientKey)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close(context.Background())
	cert, key = after.Issue(t, "proxy")
	reload(t, s, mustLoad(t, cert, key, after.CA), true)
	if c, err := open(after, newClient, newClientKey); err != nil {
		t.Error(err)
	} else {
		c.Close(t.Context())
	}
	for name, who := range map[string][3]string{"certificate": {before.CA, newClient, newClientKey}, "client CA": {after.CA, oldClient, oldClientKey}} {
		if c, err := open(&testcert.Authority{CA: who[0]}, who[1], who[2]); err == nil {
			t.Errorf("the old %s is in force", name)
			c.Close(t.Context())
		}
	}
	if _, err := old.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Error(err)
	}
	if c, err := pgx.Connect(t.Context(), proxyURL(s, "postgres")); err == nil {
		t.Error("a client without TLS gets in")
		c.Close(t.Context())
	}
	reload(t, s, nil, false)
	connect(t, proxyURL(s, "postgres"))
}

// The files that the upstream setting names are read again; a bad one changes nothing.
func TestReload_UpstreamsSide(t *testing.T) {
	a := testcert.New(t)
	c, serverCert, serverKey := authCluster(t, a)
	stranger := testcert.New(t)
	cert, key := a.Issue(t, "u_cert")
	other, otherKey := a.Issue(t, "other")
	root := stranger.CA // to be replaced
	s := serve(t, Options{TLS: mustLoad(t, serverCert, serverKey, ""),
		Upstream: "postgres://" + c.Addr() + "/?sslmode=verify-full&sslrootcert=" + root + "&sslcert=" + other + "&sslkey=" + otherKey})
	replace := func(path, with string) {
		t.Helper()
		b := []byte("no certificate")
		if with != "" {
			var err error
			if b, err = os.ReadFile(with); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := func(user, code string) {
		t.Helper()
		if got := login(t, c, s, user, "secret", "sslmode=disable"); got != code {
			t.Errorf("%s: %q, want %q", user, got, code)
		}
	}
	want("u_scram", codeCannotConnect)
	replace(root, a.CA)
	want("u_scram", codeCannotConnect)
	reload(t, s, mustLoad(t, serverCert, serverKey, ""), false)
	want("u_scram", "")
	want("u_cert", "28000")
	replace(other, cert)
	if _, err := s.Reload(nil, false); err == nil { // the key is another one's
		t.Error("half a pair is taken")
	}
	want("u_scram", "")
	replace(otherKey, key)
	replace(root, "")
	if _, err := s.Reload(nil, false); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("no CA: %v", err)
	}
	replace(root, a.CA)
	reload(t, s, mustLoad(t, serverCert, serverKey, ""), false)
	want("u_cert", "")
	// Clients are still shown the server's own certificate: channel binding holds.
	if got := login(t, c, s, "u_scram", "secret", "sslmode=require channel_binding=require"); got != "" {
		t.Errorf("channel binding after a reload: %q", got)
	}
	// The server has a new certificate, and the proxy the same one.
	fresh, freshKey := a.Issue(t, "server")
	give(t, c, fresh)
	give(t, c, freshKey)
	pgtest.Exec(t, c.URL("postgres"), "SELECT pg_reload_conf()")
	eventually(t, "channel binding with the new certificate", func() bool {
		reload(t, s, mustLoad(t, fresh, freshKey, ""), false)
		conn, err := pgx.Connect(t.Context(), "postgres://u_scram:secret@"+s.Addr().String()+"/postgres?sslmode=require&channel_binding=require")
		if err == nil {
			conn.Close(t.Context())
		}
		return err == nil
	})
}

// To a server that wants it the proxy speaks TLS from the first byte: here one
// that is a proxy, too.
func TestUpstream_DirectTLS(t *testing.T) {
	a := testcert.New(t)
	cert, key := a.Issue(t, "proxy")
	near := serve(t, Options{TLS: mustLoad(t, cert, key, ""), RequireTLS: true})
	s := serve(t, Options{Upstream: "postgres://" + near.Addr().String() + "/?sslnegotiation=direct&sslmode=verify-full&sslrootcert=" + a.CA})
	testCancel(t, proxyURL(s, "postgres"))
}

func TestLoadTLS_SaysWhichFile(t *testing.T) {
	a := testcert.New(t)
	cert, key := a.Issue(t, "proxy")
	for name, files := range map[string][3]string{"certificate": {key, key, ""}, "key": {cert, cert, ""}, "client CA": {cert, key, key}, "missing": {cert, key, "/nonexistent"}} {
		_, err := LoadTLS(files[0], files[1], files[2])
		if err == nil || !strings.Contains(err.Error(), ".key") && !strings.Contains(err.Error(), ".crt") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
