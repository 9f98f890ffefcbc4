package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

func TestReadyz_SaysWhatDoesNotWork(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "journal")
	j, err := journal.Open(t.Context(), dir, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	upstream, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer upstream.Close()
	server, err := proxy.New(proxy.Options{Listen: "127.0.0.1:0", Upstream: upstream.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	a, err := startAdmin(adminOptions{addr: "127.0.0.1:0", proxy: server, metrics: guard.NewMetrics(), ready: []probe{upstreamAnswers(upstream.Addr().String()), journalTakes(j)}, logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer a.close()
	ask := func(path string) (int, string) {
		w, q := httptest.NewRecorder(), httptest.NewRequest("GET", "http://127.0.0.1"+path, nil)
		q.RemoteAddr = "127.0.0.1:1"
		a.http.Handler.ServeHTTP(w, q)
		body, _ := io.ReadAll(w.Result().Body)
		return w.Code, string(body)
	}
	if code, body := ask("/readyz"); code != http.StatusOK {
		t.Errorf("%d %s", code, body)
	}
	upstream.Close()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	code, body := ask("/readyz")
	if code != http.StatusServiceUnavailable || !strings.Contains(body, "upstream cannot be reached") || !strings.Contains(body, "journal cannot be written") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := ask("/healthz"); code != http.StatusOK {
		t.Errorf("healthz: %d", code)
	}
}

// Many who ask are one who asks; a caller that leaves does not spoil the answer.
func TestProbe_IsKept(t *testing.T) {
	asked, now := 0, time.Unix(0, 0)
	p := probe(func(ctx context.Context) error {
		asked++
		return ctx.Err()
	}).kept(func() time.Time { return now })
	gone, leave := context.WithCancel(t.Context())
	leave()
	for i, want := range []int{1, 1, 2} {
		if i == 2 {
			now = now.Add(2 * probeKept)
		}
		if err := p(gone); err != nil || asked != want {
			t.Errorf("asked %d times, want %d; %v", asked, want, err)
		}
	}
}

func TestUpstreamAnswers_AnyHost(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := upstreamAnswers("127.0.0.1:1," + l.Addr().String())(t.Context()); err != nil {
		t.Error(err)
	}
	err = upstreamAnswers("postgres://u:SECRET@127.0.0.1:1/db")(t.Context())
	if err == nil || strings.Count(err.Error(), "127.0.0.1:1") != 1 || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
}

// A server that cannot serve clients as the upstream setting asks for is not ready.
func TestUpstreamAnswers_UnderTLS(t *testing.T) {
	c := pgtest.Shared(t)
	for way, want := range map[string]string{"sslmode=prefer": "", "sslmode=require": "does not accept TLS", "sslmode=disable": ""} {
		err := upstreamAnswers(fmt.Sprintf("postgres://postgres@%s/postgres?%s", c.Addr(), way))(t.Context())
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", way, err, want)
		}
	}
}

func TestNeedRestart(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "threshold: 1\nlisten: a:1\n")
	s, flags, err := loaded(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "rowback.yaml", "threshold: 2\nlisten: b:1\ntls-cert: c\ntls-key: k\nwebhook: http://h\nrecovery: h:1\nmax-sessions: 9\n")
	fresh := *s
	if err := fresh.load(flags); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(s.needRestart(&fresh), " "); got != "listen max-sessions" {
		t.Errorf("got %q", got)
	}
}
