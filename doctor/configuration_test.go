package doctor

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

func TestConfiguration_IsMissing(t *testing.T) {
	o := configured(t)
	o.ConfigFile = ""
	look(t, o).expect(t, "configuration", Warn, "no configuration file")
}

func TestMemory_MoreThanThereIs(t *testing.T) {
	o := configured(t)
	o.MaxMemory, o.Memory = "900GiB", "23000MiB"
	look(t, o).expect(t, "memory", Warn, "max-memory is 900GiB, and there are 23000MiB")
}

func TestRules(t *testing.T) {
	o := healthy(t)
	rule := func(name string, m policy.Match) policy.Rule {
		r := policy.Base()
		r.Name, r.Match = name, m
		return r
	}
	o.Policy.Rules = []policy.Rule{
		rule("first", policy.Match{Users: []string{"a*"}}),
		rule("never", policy.Match{Users: []string{"ab"}}),
		rule("misspelt", policy.Match{Tables: []string{"Orders", "payments"}}),
		rule("elsewhere", policy.Match{Databases: []string{"other"}, Tables: []string{"nothing"}}),
	}
	o.Policy.Rules[2].Capture, o.Policy.Rules[2].ExcludeColumns = policy.CaptureRows, []string{"phone", "*"}
	r := look(t, o)
	r.expect(t, "rules", Warn, `"misspelt" leaves the column phone out`)
	r.expect(t, "rules", Warn, `"never" is never reached: "first" stands before it`)
	r.expect(t, "rules", Warn, `"misspelt" is for tables Orders`)
	if r.Count(Warn) != 4 { // alerts
		t.Errorf("%+v", r.Checks)
	}

	o.Production = pgtest.Shared(t).URL(pgtest.Database(t, shop, "CREATE TABLE ev (id int) PARTITION BY LIST (id); CREATE TABLE ev_1 PARTITION OF ev FOR VALUES IN (1)"))
	o.Policy.Rules = []policy.Rule{rule("part", policy.Match{Tables: []string{"ev_*"}}), rule("whole", policy.Match{Tables: []string{"ev", "ev_1"}})}
	r = look(t, o)
	r.expect(t, "rules", Warn, "the rules for public.ev")
	if n := r.warnings("rules"); n != 1 {
		t.Errorf("%d warnings: %+v", n, r.Checks)
	}

	o.Production = pgtest.Shared(t).URL("shop")
	wide := rule("wide", policy.Match{Users: []string{"gdpr"}, Tables: []string{"orders"}})
	wide.Statement, wide.Transaction, wide.Mode = 5000, 5000, policy.Hold
	others := rule("others", policy.Match{Users: []string{"somebody"}, Tables: []string{"payments"}})
	o.Policy.Rules = []policy.Rule{others, wide}
	r = look(t, o)
	r.expect(t, "rules", Warn, `"wide", hold for 10m over 5000 rows a statement or transaction, does not judge what cascades take along`)
	r.expect(t, "rules", Warn, `public.payments, with public.orders: rule "default", block over 1000 rows`)
	wide.Match.Tables = []string{"orders", "payments"}
	strict := rule("strict", policy.Match{Tables: []string{"orders"}})
	strict.Statement, strict.Transaction = 10, 10
	o.Policy.Rules = []policy.Rule{wide, strict}
	if r = look(t, o); r.warnings("rules") != 0 {
		t.Errorf("%+v", r.Checks)
	}

	soft := rule("soft", policy.Match{Tables: []string{"orders"}})
	soft.SoftDelete = []string{"id", "gone_at"}
	o.Policy.Rules, o.Policy.Default.SoftDelete = []policy.Rule{soft}, []string{"vanished_at", "id"}
	r = look(t, o)
	r.expect(t, "rules", Warn, `"soft" has gone_at as a soft-delete column, and no table`)
	r.expect(t, "rules", Warn, `"default" has vanished_at as`)
	if n := r.warnings("rules"); n != 2 {
		t.Errorf("%d warnings: %+v", n, r.Checks)
	}
	o.Policy.Default.SoftDelete = nil

	o.Policy.Rules = nil
	o.Policy.Default.Mode = policy.Off
	look(t, o).expect(t, "rules", Warn, "nothing is guarded")
	o.Policy.Default.Mode = ""
	look(t, o).expect(t, "rules", Fail, "mode")
}

func TestUpstream(t *testing.T) {
	web := httptest.NewServer(http.NotFoundHandler())
	defer web.Close()
	o := configured(t)
	address := pgtest.Shared(t).Addr()
	for upstream, want := range map[string]struct {
		status Status
		says   string
	}{
		"host=127.0.0.1 port=1":                                          {Fail, "refused"},
		"host=127.0.0.1,127.0.0.1 port=1," + portOf(t, address):          {Warn, "refused"},
		"host=127.0.0.1 port=" + portOf(t, address):                      {OK, address + " answers, without TLS"},
		"host=127.0.0.1 port=" + portOf(t, web.Listener.Addr().String()): {Fail, "PostgreSQL"},
	} {
		o.Upstream = upstream
		r := look(t, o)
		r.expect(t, "upstream", want.status, want.says)
		r.expect(t, "control connection", OK, "no credentials")
	}
	o.Listen, o.Upstream = address, "host=127.0.0.1 port="+portOf(t, address)
	look(t, o).expect(t, "upstream", Fail, "where the proxy itself listens")
}

// offersTLS listens as a server that says yes to SSLRequest, and goes on with then, until the test ends.
func offersTLS(t *testing.T, address string, then func(net.Conn)) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	var answering sync.WaitGroup
	answering.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			if _, err := io.ReadFull(c, make([]byte, 8)); err == nil {
				_, _ = c.Write([]byte{'S'})
				then(c)
			}
			c.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		answering.Wait()
	})
	return l
}

// Servers that insist on TLS, behind a proxy with another certificate than theirs.
func TestUpstream_ChannelBinding(t *testing.T) {
	theirs, theirKey := certificate(t, time.Now(), time.Now().Add(time.Hour))
	ours, ourKey := certificate(t, time.Now(), time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(theirs, theirKey)
	if err != nil {
		t.Fatal(err)
	}
	l := offersTLS(t, "127.0.0.1:0", func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
	})
	o := configured(t)
	for _, x := range []struct {
		mode, cert, key string
		warns           bool
	}{
		{"require", ours, ourKey, true},
		{"verify-ca", ours, ourKey, true},
		{"require", theirs, theirKey, false},
		{"require", "", "", false},
		{"prefer", ours, ourKey, false},
		{"disable", ours, ourKey, false},
	} {
		o.Upstream, o.TLSCert, o.TLSKey = "host=127.0.0.1 port="+portOf(t, l.Addr().String())+" sslmode="+x.mode, x.cert, x.key
		r := look(t, o)
		if n := r.warnings("upstream"); n > 0 != x.warns {
			t.Errorf("sslmode=%s, tls-cert %q: %+v", x.mode, x.cert, r.Checks)
		}
		if x.warns {
			r.expect(t, "upstream", Warn, "are refused (28000)")
		}
	}
}

// A server that does not meet sslmode, where the proxy has no connection of its own that would show it.
func TestUpstream_NotAsSSLModeAsks(t *testing.T) {
	cert, key := certificate(t, time.Now(), time.Now().Add(time.Hour))
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	l := offersTLS(t, "127.0.0.1:0", func(c net.Conn) {
		_ = tls.Server(c, &tls.Config{Certificates: []tls.Certificate{pair}}).Handshake()
	})
	o := configured(t)
	secure, plain := "port="+portOf(t, l.Addr().String()), "port="+portOf(t, pgtest.Shared(t).Addr())
	for upstream, says := range map[string]string{
		secure + " sslmode=verify-ca":                     "signed by unknown authority",
		secure + " sslmode=verify-ca sslrootcert=" + cert: "",
		secure + " sslmode=require":                       "",
		plain + " sslmode=require":                        "does not accept TLS, which sslmode requires",
		plain + " sslmode=prefer":                         "",
	} {
		o.Upstream = "host=127.0.0.1 " + upstream
		r := look(t, o)
		if says != "" {
			r.expect(t, "upstream", Fail, says)
		}
		for _, c := range r.Checks {
			if c.Name == "upstream" && c.Status == Fail && says == "" {
				t.Errorf("%s: %s", upstream, c.Seen)
			}
		}
	}
}

// An upstream that names no sslmode, behind a proxy with a certificate.
func TestUpstream_InTheClear(t *testing.T) {
	outside := pgtest.OutsideIP(t)
	l := offersTLS(t, ":0", func(net.Conn) {})
	o := configured(t)
	at := func(host, more string) string { return "host=" + host + " port=" + portOf(t, l.Addr().String()) + more }
	o.TLSCert, o.TLSKey = "cert.pem", "key.pem"
	o.Upstream = at(outside, "")
	look(t, o).expect(t, "upstream", Warn, "in the clear")
	o.RequireTLS = true
	look(t, o).expect(t, "upstream", Warn, "are refused")
	for _, good := range []string{at(outside, " sslmode=require"), at(outside, " sslmode=prefer"), at("127.0.0.1", "")} {
		o.Upstream = good
		if n := look(t, o).warnings("upstream"); n != 0 {
			t.Errorf("%s: %d warnings", good, n)
		}
	}
	o.Upstream, o.TLSCert = at(outside, ""), ""
	if n := look(t, o).warnings("upstream"); n != 0 {
		t.Errorf("without a certificate: %d warnings", n)
	}
}

// warnings counts those of one check.
func (r *Report) warnings(name string) (n int) {
	for _, c := range r.Checks {
		if c.Name == name && c.Status == Warn {
			n++
		}
	}
	return n
}

func portOf(t *testing.T, address string) string {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return port
}

func TestControl_IsNotLetIn(t *testing.T) {
	o := healthy(t)
	o.Upstream = pgtest.Shared(t).UserURL("nobody_at_all", "SECRET", "postgres")
	r := look(t, o)
	r.expect(t, "control connection", Fail, "nobody_at_all")
	r.expect(t, "control connection", Fail, "mend user, password")
	r.expect(t, "upstream", OK, "")
	var text bytes.Buffer
	if r.WriteText(&text); strings.Contains(text.String(), "SECRET") {
		t.Error("a password is shown")
	}
	o.Upstream = pgtest.Shared(t).URL("no_such_database")
	look(t, o).expect(t, "control connection", Fail, "name a database in upstream that is there")
}

func TestAdmin(t *testing.T) {
	ready := true
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !ready {
			http.Error(w, "the journal cannot be written", http.StatusServiceUnavailable)
		}
	})
	proxy := httptest.NewServer(mux)
	other := httptest.NewServer(http.NotFoundHandler())
	o := configured(t)
	o.Admin = proxy.Listener.Addr().String()
	look(t, o).expect(t, "admin endpoint", OK, "and is ready")
	ready = false
	look(t, o).expect(t, "admin endpoint", Fail, "the journal cannot be written")
	o.Admin = other.Listener.Addr().String()
	look(t, o).expect(t, "admin endpoint", Fail, "no rowback proxy")
	other.Close()
	look(t, o).expect(t, "admin endpoint", OK, "is free")
	proxy.Close()
	o.AdminTokens = func() error { return errors.New("admin-token: no such file") }
	look(t, o).expect(t, "admin endpoint", Fail, "admin-token: no such file")
}

func TestAlerts(t *testing.T) {
	got, answer := 0, http.StatusOK
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got++; w.WriteHeader(answer) }))
	defer receiver.Close()
	o := configured(t)
	look(t, o).expect(t, "alerts", Warn, "nobody is told")
	o.Alerts = alert.WebhookAt(receiver.URL)
	look(t, o).expect(t, "alerts", OK, "1 configured")
	if got != 0 {
		t.Error("a test was sent unasked")
	}
	o.TestAlerts = true
	look(t, o).expect(t, "alerts", OK, "took the test")
	if got != 1 {
		t.Errorf("%d tests arrived", got)
	}
	answer = http.StatusForbidden
	look(t, o).expect(t, "alerts", Fail, "did not take the test")
}

// A program that cannot be run is known without running it.
func TestAlerts_Command(t *testing.T) {
	dir := t.TempDir()
	o := configured(t)
	program := func(path string, mode os.FileMode) Options {
		if mode != 0 {
			if err := os.WriteFile(path, []byte("#!/bin/sh\ntouch "+dir+"/ran\n"), mode); err != nil {
				t.Fatal(err)
			}
		}
		o.Alerts = alert.Config{Sinks: []alert.Sink{{To: alert.Command{Args: []alert.Secret{alert.Secret(path), "secret"}}}}}
		return o
	}
	look(t, program(dir+"/none", 0)).expect(t, "alerts", Fail, "none cannot be run")
	look(t, program("no-such-program-anywhere", 0)).expect(t, "alerts", Fail, "$PATH")
	look(t, program(dir+"/plain", 0o600)).expect(t, "alerts", Fail, "permission denied")
	r := look(t, program(dir+"/good", 0o700))
	r.expect(t, "alerts", OK, "1 configured")
	if _, err := os.Stat(dir + "/ran"); err == nil || r.warnings("alerts") > 0 {
		t.Errorf("it was run, or warned of: %+v", r.Checks)
	}
}

func TestReport_JSONAndText(t *testing.T) {
	var r Report
	r.ok("one", "fine")
	r.warn("second", "turn it", "lines\nof text")
	r.add(Check{Name: "third", Status: Fail, Seen: "3", List: make([]string, shown+5), Mend: "mend"})
	var text, object bytes.Buffer
	r.WriteText(&text)
	for _, want := range []string{"✓ one     fine\n", "! second  lines\n          of text\n          → turn it\n", "✗ third   3\n", "and 5 more", "1 ok, 0 to know, 1 to look at, 1 that will fail"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("%q is not in\n%s", want, text.String())
		}
	}
	if err := r.WriteJSON(&object); err != nil {
		t.Fatal(err)
	}
	var back struct {
		Checks         []Check
		OK, Warn, Fail int
	}
	if err := json.Unmarshal(object.Bytes(), &back); err != nil || len(back.Checks) != 3 || len(back.Checks[2].List) != shown+5 || back.OK != 1 || back.Warn != 1 || back.Fail != 1 {
		t.Errorf("%v: %s", err, object.String())
	}
}
