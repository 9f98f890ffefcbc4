package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/rowback/rowback/guard"
	"github.com/rowback/rowback/internal/pgtest"
)

const examples = "../../examples/"

// soon bounds what these tests wait for.
const soon = time.Minute

func TestPrometheus_RulesTested(t *testing.T) {
	for _, args := range [][]string{
		{"check", "config", "prometheus.yml"},
		{"check", "rules", "rowback.rules.yml"},
		{"test", "rules", "rowback.test.yml"},
	} {
		cmd := exec.CommandContext(context.Background(), "promtool", args...)
		cmd.Dir = examples + "prometheus"
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
	// Each has a test in which it fires.
	tests, err := os.ReadFile(examples + "prometheus/rowback.test.yml")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`- alert: (\w+)`).FindAllStringSubmatch(rulesText(t), -1) {
		if !regexp.MustCompile(`alertname: ` + m[1] + `\s+eval_time: \w+\s+exp_alerts:`).Match(tests) {
			t.Errorf("no test fires %s", m[1])
		}
	}
}

// Every metric that the examples name is one that a proxy has.
func TestExamples_NameMetricsThatExist(t *testing.T) {
	known := described(t)
	dashboard, err := os.ReadFile(examples + "grafana/rowback.json")
	if err != nil {
		t.Fatal(err)
	}
	text := rulesText(t) + string(dashboard)
	for _, name := range regexp.MustCompile(`\browback_[a-z0-9_]*[a-z0-9]`).FindAllString(text, -1) {
		base := name
		for _, suffix := range []string{"_bucket", "_count", "_sum"} {
			if b := strings.TrimSuffix(name, suffix); known[b] == "histogram" {
				base = b
			}
		}
		if known[base] == "" {
			t.Errorf("no such metric: %s", name)
		}
	}
	for name := range known {
		if !strings.Contains(text, name) {
			t.Errorf("neither a rule nor the dashboard shows %s", name)
		}
	}
}

func rulesText(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(examples + "prometheus/rowback.rules.yml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// described are the names of the proxy's metrics, also of those that have no
// series yet: the guard's by their descriptions, the rest from a proxy.
func described(t *testing.T) map[string]string {
	t.Helper()
	c := collected{}
	if err := guard.NewMetrics().Register(&c); err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for _, name := range c.names {
		names[name] = "guard"
	}
	s := startWatched(t, "block")
	for _, m := range regexp.MustCompile(`(?m)^# TYPE (rowback_\w+) (\w+)$`).FindAllStringSubmatch(get(t, "http://"+s.admin+"/metrics"), -1) {
		names[m[1]] = m[2]
	}
	// A histogram without series is one all the same.
	for name := range names {
		if strings.HasSuffix(name, "_seconds") && names[name] == "guard" && !strings.HasPrefix(name, "rowback_last") {
			names[name] = "histogram"
		}
	}
	return names
}

// collected is a Registerer that notes names.
type collected struct{ names []string }

var fqName = regexp.MustCompile(`fqName: "(\w+)"`)

func (c *collected) Register(x prometheus.Collector) error {
	descs := make(chan *prometheus.Desc, 10)
	x.Describe(descs)
	close(descs)
	for d := range descs {
		c.names = append(c.names, fqName.FindStringSubmatch(d.String())[1])
	}
	return nil
}

func (c *collected) MustRegister(...prometheus.Collector) {}
func (c *collected) Unregister(prometheus.Collector) bool { return false }

// watched is a proxy with its admin endpoint.
type watched struct{ addr, admin string }

func startWatched(t *testing.T, mode string, args ...string) watched {
	t.Helper()
	s := watched{admin: freeAddr(t)}
	cmd := exec.CommandContext(context.Background(), program(t), append([]string{"proxy", "--listen", "127.0.0.1:0", "--upstream", pgtest.Shared(t).URL("postgres"),
		"--journal", filepath.Join(t.TempDir(), "journal"), "--mode", mode, "--threshold", "10", "--admin", s.admin}, args...)...)
	p, addr, err := startProxy(cmd)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(p.Signal(syscall.SIGTERM), p.Wait()); err != nil {
			t.Error(err)
		}
	})
	s.addr = addr
	return s
}

// freeAddr is a loopback address that nobody listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func get(t *testing.T, url string) string {
	t.Helper()
	status, body, err := fetch(url)
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", url, status, body, err)
	}
	return body
}

func fetch(url string) (status int, body string, err error) {
	resp, err := http.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	var b strings.Builder
	if err := resp.Write(&b); err != nil {
		return 0, "", err
	}
	_, text, _ := strings.Cut(b.String(), "\r\n\r\n")
	return resp.StatusCode, text, nil
}

func eventually(t *testing.T, what string, ok func() error) {
	t.Helper()
	for end := time.Now().Add(soon); ; time.Sleep(50 * time.Millisecond) {
		err := ok()
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s: %v", what, soon, err)
		}
	}
}

func TestPrometheus_WatchesARealProxy(t *testing.T) {
	hook := "http://" + freeAddr(t) // nobody there: a delivery that fails
	block, alert := startWatched(t, "block", "--webhook", hook), startWatched(t, "alert")
	db := pgtest.Database(t, "CREATE TABLE orders (id int PRIMARY KEY)", "INSERT INTO orders SELECT generate_series(1, 100)",
		"CREATE TABLE logs (id int PRIMARY KEY)", "INSERT INTO logs VALUES (1)", "CREATE FUNCTION purge() RETURNS void LANGUAGE sql AS 'DELETE FROM logs'")
	for addr, statements := range map[string][]string{
		block.addr: {"DELETE FROM orders"},
		alert.addr: {"DELETE FROM orders WHERE id <= 50", "DELETE FROM orders WHERE id = 51", "SELECT purge()", "INSERT INTO logs VALUES (2)", "TRUNCATE logs"},
	} {
		conn, err := pgx.Connect(context.Background(), fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable", addr, db))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		for _, sql := range statements {
			if _, err := conn.Exec(context.Background(), sql); err != nil && addr == alert.addr {
				t.Fatal(err)
			}
		}
	}
	p := startPrometheus(t, block.admin, alert.admin)

	t.Run("rules", func(t *testing.T) {
		eventually(t, "blocked and committed are told", func() error {
			got := firing(t, p)
			if !got["RowbackMassDeleteBlocked "+db] || !got["RowbackMassDeleteCommitted "+db] {
				return fmt.Errorf("firing: %v", slices.Sorted(maps.Keys(got)))
			}
			return nil
		})
		var r struct {
			Data struct {
				Groups []struct {
					Rules []struct{ Name, Health, LastError string }
				}
			}
		}
		if err := json.Unmarshal([]byte(get(t, p+"/api/v1/rules")), &r); err != nil || len(r.Data.Groups) != 1 || len(r.Data.Groups[0].Rules) == 0 {
			t.Fatalf("%v: %+v", err, r)
		}
		for _, rule := range r.Data.Groups[0].Rules {
			if rule.Health != "ok" {
				t.Errorf("%s: %s %s", rule.Name, rule.Health, rule.LastError)
			}
		}
	})
	t.Run("dashboard", func(t *testing.T) {
		has := get(t, "http://"+block.admin+"/metrics") + get(t, "http://"+alert.admin+"/metrics")
		for _, x := range dashboard(t) {
			// Its variables, as Grafana fills them in.
			expr := strings.NewReplacer("$instance", ".*", "$database", ".*", "$__rate_interval", "10s", "$__range", "1h").Replace(x)
			if n := query(t, p, expr); n == 0 && seen(has, expr) {
				eventually(t, expr+" shows something", func() error {
					if query(t, p, expr) == 0 {
						return errors.New("no series")
					}
					return nil
				})
			}
		}
		if n := query(t, p, `rowback_rows_removed_total{table="orders"} == 51`); n != 1 {
			t.Error("the rows removed are not counted as they were")
		}
	})
}

// seen: all metrics that an expression names have series.
func seen(metrics, expr string) bool {
	for _, name := range regexp.MustCompile(`\browback_[a-z0-9_]*[a-z0-9]`).FindAllString(expr, -1) {
		if !strings.Contains(metrics, "\n"+name+"{") && !strings.Contains(metrics, "\n"+name+" ") {
			return false
		}
	}
	return true
}

// dashboard is every expression of the Grafana dashboard.
func dashboard(t *testing.T) (exprs []string) {
	t.Helper()
	text, err := os.ReadFile(examples + "grafana/rowback.json")
	if err != nil {
		t.Fatal(err)
	}
	var d struct {
		Panels []struct {
			ID          int
			Title, Type string
			GridPos     struct{ X, Y, W, H int }
			Targets     []struct{ Expr string }
		}
		Annotations struct{ List []struct{ Expr string } }
	}
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	ids, taken := map[int]bool{}, map[[2]int]string{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.Title == "" || p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("panel %d %q", p.ID, p.Title)
		}
		ids[p.ID] = true
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if on := taken[[2]int{x, y}]; on != "" {
					t.Fatalf("panel %q lies on %q", p.Title, on)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
		for _, q := range p.Targets {
			exprs = append(exprs, q.Expr)
		}
	}
	for _, a := range d.Annotations.List {
		exprs = append(exprs, a.Expr)
	}
	return exprs
}
