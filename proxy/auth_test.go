package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

const authHBA = `
local all u_md5 md5
local all u_scram scram-sha-256
host all postgres 127.0.0.1/32 trust
host all u_password 127.0.0.1/32 password
host all u_md5 127.0.0.1/32 md5
host all u_scram samehost scram-sha-256
hostssl all u_ssl 127.0.0.1/32 scram-sha-256
hostnossl all u_nossl 127.0.0.1/32 scram-sha-256
hostssl all u_cert 127.0.0.1/32 cert
hostssl all u_both 127.0.0.1/32 scram-sha-256 clientcert=verify-ca
`

// authCluster is a cluster with TLS and a user for each way to authenticate.
// It returns the files of the server's certificate and key.
func authCluster(t *testing.T, a *testcert.Authority) (c *pgtest.Cluster, cert, key string) {
	t.Helper()
	c, err := pgtest.Start(t.Context(), pgtest.Options{HBA: authHBA, Unsafe: true, Settings: []string{"listen_addresses='*'"}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Stop() })
	cert, key = a.Issue(t, "server")
	pgtest.Exec(t, c.URL("postgres"),
		"ALTER SYSTEM SET ssl_cert_file = '"+give(t, c, cert)+"'",
		"ALTER SYSTEM SET ssl_key_file = '"+give(t, c, key)+"'",
		"ALTER SYSTEM SET ssl_ca_file = '"+give(t, c, a.CA)+"'",
		"ALTER SYSTEM SET ssl = on",
		"SET password_encryption = 'md5'; CREATE USER u_md5 PASSWORD 'secret'; CREATE USER u_password PASSWORD 'secret'",
		"SET password_encryption = 'scram-sha-256'; CREATE USER u_scram PASSWORD 'secret'; CREATE USER u_ssl PASSWORD 'secret'; CREATE USER u_nossl PASSWORD 'secret'; CREATE USER u_cert; CREATE USER u_both PASSWORD 'secret'; CREATE USER u_reject",
		"SELECT pg_reload_conf()")
	eventually(t, "the server speaks TLS", func() bool {
		conn, err := pgx.Connect(t.Context(), strings.Replace(c.URL("postgres"), "sslmode=disable", "sslmode=require", 1))
		if err == nil {
			conn.Close(t.Context())
		}
		return err == nil
	})
	return c, cert, key
}

// give copies a file to where the server can read it.
func give(t *testing.T, c *pgtest.Cluster, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(c.Dir, filepath.Base(file))
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(c.Dir)
	if err != nil {
		t.Fatal(err)
	}
	owner := info.Sys().(*syscall.Stat_t)
	if err := os.Chown(path, int(owner.Uid), int(owner.Gid)); err != nil {
		t.Fatal(err)
	}
	return path
}

// login connects with pgx and with psql, and returns what both came to: "" or
// the SQLSTATE. It fails the test if they differ.
func login(t *testing.T, c *pgtest.Cluster, s *Server, user, password, options string) string {
	t.Helper()
	host, port, err := net.SplitHostPort(s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	dsn := fmt.Sprintf("host=%s port=%s user=%s password=%s dbname=postgres %s", host, port, user, password, options)
	var code string
	conn, err := pgx.Connect(t.Context(), dsn)
	if err == nil {
		var me string
		err = conn.QueryRow(t.Context(), "SELECT current_user").Scan(&me)
		if err == nil && me != user {
			t.Errorf("logged in as %s, not %s", me, user)
		}
		conn.Close(t.Context())
	}
	if pe := new(pgconn.PgError); errors.As(err, &pe) {
		code = pe.Code
	} else if err != nil {
		code = "pgx: " + err.Error()
	}
	psql := c.Client(t, "psql", "-X", "-Atc", "SELECT current_user", "-v", "VERBOSITY=verbose", dsn)
	psql.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "PGSSLCERT=/nonexistent"}
	out, err := psql.CombinedOutput()
	ok := err == nil && strings.TrimSpace(string(out)) == user
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if ok != (code == "") {
		t.Errorf("user %s, %s: pgx says %q, psql says %q", user, options, code, out)
	}
	if code == codeInvalidAuth && strings.Contains(string(out), "channel binding") && !strings.Contains(string(out), "channel_binding=disable") {
		t.Errorf("the error does not say what to do: %s", out)
	}
	return code
}

func TestAuthentication_EveryMethodAndTLSOnEachLeg(t *testing.T) {
	a := testcert.New(t)
	c, serverCert, serverKey := authCluster(t, a)
	proxyCert, proxyKey := a.Issue(t, "proxy")
	own, err := LoadTLS(proxyCert, proxyKey, "")
	if err != nil {
		t.Fatal(err)
	}
	same, err := LoadTLS(serverCert, serverKey, "")
	if err != nil {
		t.Fatal(err)
	}
	upstream := func(options string) string { return "postgres://" + c.Addr() + "/?" + options }
	const (
		plain  = "sslmode=disable"
		secure = "sslmode=require"
	)
	verify := "sslmode=verify-full sslrootcert=" + a.CA
	servers := []struct {
		name string
		o    Options
		want map[string]string // "user options" to the SQLSTATE, "" for success
	}{
		{"clear upstream", Options{Upstream: upstream("sslmode=disable"), TLS: own}, map[string]string{
			"u_password " + plain: "", "u_md5 " + plain: "", "u_scram " + plain: "", "u_nossl " + plain: "", "u_ssl " + plain: "28000",
			"u_password " + secure: "", "u_md5 " + secure: "", "u_scram " + secure: "", "u_scram " + verify: "",
			"u_scram " + secure + " channel_binding=disable": "", "u_reject " + plain: "28000",
		}},
		{"upstream over its socket", Options{Upstream: c.Dir + ":" + fmt.Sprint(c.Port), TLS: own}, map[string]string{
			"u_scram " + plain: "", "u_scram " + secure: "",
		}},
		{"TLS upstream", Options{Upstream: upstream("sslmode=require"), TLS: own}, map[string]string{
			"u_password " + plain: "", "u_md5 " + plain: "", "u_scram " + plain: "", "u_ssl " + plain: "", "u_nossl " + plain: "28000",
			"u_password " + secure: "", "u_md5 " + secure: "",
			// Impossible: see doc.go.
			"u_scram " + secure: "28000",
			"u_scram " + secure + " channel_binding=disable": "", "u_ssl " + secure + " channel_binding=disable": "",
		}},
		{"verified TLS upstream", Options{Upstream: upstream("sslmode=verify-full&sslrootcert=" + a.CA), TLS: own}, map[string]string{
			"u_scram " + plain: "", "u_ssl " + plain: "", "u_scram " + secure: "28000",
		}},
		{"TLS upstream, its own certificate for clients", Options{Upstream: upstream("sslmode=require"), TLS: same}, map[string]string{
			"u_scram " + plain: "", "u_scram " + secure: "", "u_scram " + secure + " channel_binding=disable": "",
			"u_scram " + verify + " channel_binding=require": "", "u_md5 " + secure: "",
		}},
		{"preferably TLS upstream", Options{Upstream: upstream("sslmode=prefer"), TLS: own}, map[string]string{
			"u_scram " + plain: "", "u_scram " + secure: "", "u_nossl " + plain: "", "u_nossl " + secure: "", "u_ssl " + plain: "",
			"u_ssl " + secure: "28000", "u_ssl " + secure + " channel_binding=disable": "", "u_md5 " + secure: "",
		}},
		{"TLS upstream only if needed", Options{Upstream: upstream("sslmode=allow"), TLS: own}, map[string]string{
			"u_scram " + plain: "", "u_scram " + secure: "", "u_ssl " + plain: "", "u_nossl " + plain: "",
		}},
	}
	for _, tt := range servers {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.o)
			for login1, want := range tt.want {
				user, options, _ := strings.Cut(login1, " ")
				if got := login(t, c, s, user, "secret", options); got != want {
					t.Errorf("%s: %q, want %q", login1, got, want)
				}
			}
			if got := login(t, c, s, "u_md5", "wrong", plain); got != "28P01" {
				t.Errorf("a wrong password: %q", got)
			}
			if got := login(t, c, s, "u_scram", "wrong", plain); got != "28P01" {
				t.Errorf("a wrong password: %q", got)
			}
		})
	}
	t.Run("the proxy's own client certificate", func(t *testing.T) {
		cert, key := a.Issue(t, "u_cert")
		s := serve(t, Options{Upstream: upstream("sslmode=require&sslcert=" + cert + "&sslkey=" + key), TLS: own})
		for _, user := range []string{"u_cert", "u_both"} {
			if got := login(t, c, s, user, "secret", plain); got != "" {
				t.Errorf("%s: %q", user, got)
			}
		}
	})
	t.Run("an untrusted server", func(t *testing.T) {
		s := serve(t, Options{Upstream: upstream("sslmode=verify-full&sslrootcert=" + testcert.New(t).CA)})
		if got := login(t, c, s, "u_md5", "secret", plain); got != codeCannotConnect {
			t.Error(got)
		}
	})
	t.Run("a trusted server under another name", func(t *testing.T) {
		for mode, want := range map[string]string{"verify-ca": "", "verify-full": codeCannotConnect} {
			s := serve(t, Options{Upstream: fmt.Sprintf("postgres://127.0.0.2:%d/?sslmode=%s&sslrootcert=%s", c.Port, mode, a.CA)})
			if got := login(t, c, s, "u_ssl", "secret", plain); got != want {
				t.Errorf("%s: %q, want %q", mode, got, want)
			}
		}
		s := serve(t, Options{Upstream: upstream("sslmode=verify-ca&sslrootcert=" + testcert.New(t).CA)})
		if got := login(t, c, s, "u_md5", "secret", plain); got != codeCannotConnect {
			t.Errorf("verify-ca, of an untrusted one: %q", got)
		}
	})
	t.Run("client certificates", func(t *testing.T) {
		o, err := LoadTLS(proxyCert, proxyKey, a.CA)
		if err != nil {
			t.Fatal(err)
		}
		s := serve(t, Options{Upstream: upstream("sslmode=disable"), TLS: o, RequireTLS: true})
		cert, key := a.Issue(t, "client")
		if got := login(t, c, s, "u_md5", "secret", secure+" sslcert="+cert+" sslkey="+key); got != "" {
			t.Error(got)
		}
		stranger, strangerKey := testcert.New(t).Issue(t, "stranger")
		for _, options := range []string{secure, secure + " sslcert=" + stranger + " sslkey=" + strangerKey} {
			if got := login(t, c, s, "u_md5", "secret", options); !strings.HasPrefix(got, "pgx: ") {
				t.Errorf("%s: %q", options, got)
			}
		}
		if got := login(t, c, s, "u_md5", "secret", plain); got != codeInvalidAuth {
			t.Errorf("without TLS: %q", got)
		}
	})
	t.Run("direct TLS", func(t *testing.T) {
		s := serve(t, Options{Upstream: upstream("sslmode=disable"), TLS: own})
		conn, err := pgx.Connect(t.Context(), fmt.Sprintf("postgres://u_scram:secret@%s/postgres?sslmode=verify-full&sslrootcert=%s&sslnegotiation=direct", s.Addr(), a.CA))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close(context.Background())
	})
	t.Run("cancel under TLS on both legs", func(t *testing.T) {
		s := serve(t, Options{Upstream: upstream("sslmode=require"), TLS: own})
		testCancel(t, fmt.Sprintf("postgres://postgres@%s/postgres?sslmode=require", s.Addr()))
		if n := s.Stats().Canceled; n != 1 {
			t.Error("cancel requests passed on:", n)
		}
	})
}
