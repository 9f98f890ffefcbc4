package proxy

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
)

// A session under TLS goes on in the clear only where that leaves no machine or
// somebody has said so, and not unsaid.
func TestAuthentication_TLSIsNotGivenUpSilently(t *testing.T) {
	a := testcert.New(t)
	c, _, _ := authCluster(t, a)
	cert, key := a.Issue(t, "proxy")
	outside := net.JoinHostPort(pgtest.OutsideIP(t), fmt.Sprint(c.Port))
	for name, tt := range map[string]struct {
		upstream    string
		required    bool
		environment string // PGSSLMODE
		want        string // SQLSTATE
		lines       int    // in the log
	}{
		"another machine":                            {upstream: outside, lines: 1},
		"another machine, TLS required":              {upstream: outside, required: true, want: "28000"},
		"another machine, TLS required, prefer":      {upstream: "postgres://" + outside + "/?sslmode=prefer", required: true, lines: 1},
		"another machine, TLS required, PGSSLMODE":   {upstream: outside, required: true, environment: "prefer", lines: 1},
		"another machine, TLS required of both":      {upstream: "postgres://" + outside + "/?sslmode=require", required: true, want: "28000"},
		"another machine, in the clear by sslmode":   {upstream: "postgres://" + outside + "/?sslmode=disable", required: true},
		"this machine, TLS required":                 {upstream: c.Addr(), required: true},
		"another machine, a client that cannot bind": {upstream: outside, required: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PGSSLMODE", tt.environment)
			var log bytes.Buffer
			s := serve(t, Options{Upstream: tt.upstream, TLS: mustLoad(t, cert, key, ""), RequireTLS: tt.required, Logger: slog.New(slog.NewTextHandler(&log, nil))})
			options := "sslmode=require"
			if strings.HasSuffix(name, "cannot bind") {
				options += " channel_binding=disable"
			}
			if got := login(t, c, s, "u_scram", "secret", options); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
			if err := s.Drain(t.Context()); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(log.String(), "in the clear"); n != tt.lines {
				t.Errorf("said %d times:\n%s", n, log.String())
			}
		})
	}
}
