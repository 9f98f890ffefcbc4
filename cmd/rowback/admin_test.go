package main

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// asked is a request to an endpoint with a journal of one entry and one hold.
type asked struct {
	method, path, token, host, body string
	header                          map[string]string
}

func startedAdmin(t *testing.T, who access, under *tls.Config) (a *adminServer, entry, hold string) {
	t.Helper()
	j, err := journal.Open(t.Context(), filepath.Join(t.TempDir(), "journal"), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	now := time.Now()
	e := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Database: "shop", User: "batch", Outcome: journal.Committed, Rows: 7}
	h := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), State: journal.Waiting, Database: "shop", SQL: "DELETE FROM orders", Rows: 7, CancelKey: "digest"}
	if err := j.Append(t.Context(), e, nil); err != nil {
		t.Fatal(err)
	}
	if err := j.Hold(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	server, err := proxy.New(proxy.Options{Listen: "127.0.0.1:0", Upstream: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	a, err = startAdmin(adminOptions{addr: "127.0.0.1:0", door: door{who, under}, proxy: server, metrics: guard.NewMetrics(), journal: j, logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.close(); err != nil {
			t.Error(err)
		}
	})
	return a, e.ID, h.ID
}

func (x asked) of(a *adminServer) (code int, body string) {
	q := httptest.NewRequest(x.method, "http://127.0.0.1:9432"+x.path, strings.NewReader(x.body))
	if x.host != "" {
		q.Host = x.host
	}
	if x.token != "" {
		q.Header.Set("Authorization", "Bearer "+x.token)
	}
	for name, value := range x.header {
		q.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	a.http.Handler.ServeHTTP(w, q)
	b, _ := io.ReadAll(w.Result().Body)
	return w.Code, string(b)
}

const (
	reader = "reading-reading-1"
	actor  = "acting-acting-acting"
)

var jsonBody = map[string]string{"Content-Type": "application/json"}

// Who may read and who may act are told apart, and a browser is made use of by nobody.
func TestAdmin_Access(t *testing.T) {
	for name, c := range map[string]struct {
		who  access
		ask  asked
		code int
		says string
	}{
		"metrics without a token":            {access{}, asked{path: "/metrics"}, 200, "rowback_sessions"},
		"metrics by localhost":               {access{}, asked{path: "/metrics", host: "localhost:9432"}, 200, "rowback_sessions"},
		"metrics by a name that was rebound": {access{}, asked{path: "/metrics", host: "evil.example:9432"}, 421, "by address"},
		"metrics without the token":          {access{read: reader}, asked{path: "/metrics"}, 401, "token"},
		"metrics with another":               {access{read: reader}, asked{path: "/metrics", token: reader + "x"}, 401, "token"},
		"metrics with it, by name":           {access{read: reader}, asked{path: "/metrics", token: reader, host: "proxy.internal"}, 200, "rowback_sessions"},
		"health needs none":                  {access{read: reader}, asked{path: "/healthz", host: "proxy.internal"}, 200, "ok"},
		"what there is needs none":           {access{read: reader}, asked{path: "/"}, 200, "/metrics\nwith a token: GET /api/v1/entries"},
		"what there is not":                  {access{read: reader}, asked{path: "/admin"}, 404, ""},
		"the journal is shown to nobody":     {access{}, asked{path: "/api/v1/entries"}, 403, "admin-token"},
		"the journal needs the token":        {access{read: reader}, asked{path: "/api/v1/entries"}, 401, "token"},
		"entries":                            {access{read: reader}, asked{path: "/api/v1/entries?user=batch&limit=5", token: reader}, 200, `"user":"batch"`},
		"no entries":                         {access{read: reader}, asked{path: "/api/v1/entries?user=other", token: reader}, 200, ""},
		"an unknown filter":                  {access{read: reader}, asked{path: "/api/v1/entries?usr=x", token: reader}, 400, "unknown parameter"},
		"a limit that is none":               {access{read: reader}, asked{path: "/api/v1/entries?limit=0", token: reader}, 400, "limit is 1"},
		"an entry":                           {access{read: reader}, asked{path: "/api/v1/entries/ENTRY", token: reader}, 200, `"rows":7`},
		"no such entry":                      {access{read: reader}, asked{path: "/api/v1/entries/01ZZZ", token: reader}, 404, "error"},
		"holds, by who may act":              {access{read: reader, act: actor}, asked{path: "/api/v1/holds", token: actor}, 200, "DELETE FROM orders"},
		"nobody may act":                     {access{read: reader}, asked{method: "POST", path: "/api/v1/holds/HOLD", token: reader, body: `{"answer":"allow"}`, header: jsonBody}, 403, "admin-act-token"},
		"a reader may not act":               {access{read: reader, act: actor}, asked{method: "POST", path: "/api/v1/holds/HOLD", token: reader, body: `{"answer":"allow"}`, header: jsonBody}, 403, "for reading"},
		"without a token nobody acts":        {access{act: actor}, asked{method: "POST", path: "/api/v1/holds/HOLD", body: `{"answer":"allow"}`, header: jsonBody}, 401, "token"},
		"another site's page does not act":   {access{act: actor}, asked{method: "POST", path: "/api/v1/holds/HOLD", token: actor, body: `{"answer":"allow"}`, header: map[string]string{"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}}, 403, ""},
		"nor a form":                         {access{act: actor}, asked{method: "POST", path: "/api/v1/holds/HOLD", token: actor, body: "answer=allow", header: map[string]string{"Content-Type": "application/x-www-form-urlencoded"}}, 415, "application/json"},
		"an answer that is none":             {access{act: actor}, asked{method: "POST", path: "/api/v1/holds/HOLD", token: actor, body: `{"answer":"maybe"}`, header: jsonBody}, 400, "allow"},
		"an answer by GET":                   {access{act: actor}, asked{path: "/api/v1/holds/HOLD", token: actor}, 405, ""},
		"an answer to nothing":               {access{act: actor}, asked{method: "POST", path: "/api/v1/holds/01ZZZ", token: actor, body: `{"answer":"deny"}`, header: jsonBody}, 404, "error"},
		"an answer":                          {access{act: actor}, asked{method: "POST", path: "/api/v1/holds/HOLD", token: actor, body: `{"answer":"deny","reason":"no","by":"alice"}`, header: jsonBody}, 200, `"by":"alice (API)"`},
	} {
		t.Run(name, func(t *testing.T) {
			a, entry, hold := startedAdmin(t, c.who, nil)
			if c.ask.method == "" {
				c.ask.method = "GET"
			}
			c.ask.path = strings.NewReplacer("ENTRY", entry, "HOLD", hold).Replace(c.ask.path)
			if code, body := c.ask.of(a); code != c.code || !strings.Contains(body, c.says) || strings.Contains(body, "digest") {
				t.Errorf("%d %s, want %d %s", code, body, c.code, c.says)
			}
			if strings.HasPrefix(name, "an answer") && c.code == 200 {
				if code, body := c.ask.of(a); code != http.StatusConflict || !strings.Contains(body, "denied already") {
					t.Errorf("again: %d %s", code, body)
				}
			}
		})
	}
}

// An endpoint that others can reach has to know who they are.
func TestAdmin_BeyondThisMachineNeedsAToken(t *testing.T) {
	inDirectory(t)
	for _, addr := range []string{"0.0.0.0:9432", ":9432", "192.0.2.1:9432", "[::]:9432"} {
		runWith(t, nil, "proxy", "--admin", addr).check(t, exitUsage, "set admin-token")
	}
	write(t, "token", "short\n")
	// One that is taken back is none, and a token to act with is not one to read with.
	write(t, "rowback.yaml", "admin-token: token\nadmin-act-token: token\n")
	runWith(t, nil, "proxy", "--admin", "0.0.0.0:9432", "--admin-token", "").check(t, exitUsage, "set admin-token")
	write(t, "rowback.yaml", "admin-token: ''\nadmin-act-token: token\n")
	runWith(t, nil, "proxy", "--admin", "0.0.0.0:9432").check(t, exitUsage, "set admin-token")
	write(t, "rowback.yaml", "")
	runWith(t, nil, "proxy", "--admin", "0.0.0.0:1", "--admin-token", "nothing").check(t, exitUsage, "no such file")
	runWith(t, nil, "proxy", "--admin", "0.0.0.0:1", "--admin-client-ca", "ca.pem").check(t, exitUsage, "needs tls-cert")
	s := newSettings(environment{"ROWBACK_ADMIN_ACT_TOKEN": actor})
	s.origin = map[string]string{"admin-token": "--admin-token", "admin-act-token": "ROWBACK_ADMIN_ACT_TOKEN"}
	s.AdminToken = "token"
	if _, err := s.adminAccess(); err == nil || !strings.Contains(err.Error(), "at least 16") || strings.Contains(err.Error(), "short\n") {
		t.Errorf("%v", err)
	}
	if err := os.WriteFile("token", []byte(reader+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if a, err := s.adminAccess(); err != nil || a.read != reader || a.act != actor {
		t.Errorf("%+v, %v", a, err)
	}
}
