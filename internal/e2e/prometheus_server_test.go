package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/rowback/rowback/internal/child"
)

// startPrometheus starts one with the example's configuration, and returns its URL.
func startPrometheus(t *testing.T, targets ...string) string {
	t.Helper()
	dir, addr := t.TempDir(), freeAddr(t)
	config, err := os.ReadFile(examples + "prometheus/prometheus.yml")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(config), "15s", "500ms")
	text = strings.Replace(text, `["127.0.0.1:9432"]`, `["`+strings.Join(targets, `", "`)+`"]`, 1)
	for name, content := range map[string]string{"prometheus.yml": text, "rowback.rules.yml": rulesText(t)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	path, err := exec.LookPath("prometheus")
	if err != nil {
		t.Fatal("no prometheus in PATH; sh scripts/bootstrap test installs it")
	}
	var said strings.Builder
	cmd := exec.CommandContext(context.Background(), path, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+addr)
	cmd.Stdout, cmd.Stderr = &said, &said
	p, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGTERM)
		_ = p.Wait()
		if t.Failed() {
			t.Logf("prometheus: %.4000s", said.String())
		}
	})
	eventually(t, "prometheus answers", func() error {
		select {
		case <-p.Done():
			t.Fatalf("prometheus ended: %v\n%s", p.Wait(), said.String())
		default:
		}
		if status, _, err := fetch("http://" + addr + "/-/ready"); err != nil || status != http.StatusOK {
			return fmt.Errorf("%d, %w", status, err)
		}
		return nil
	})
	return "http://" + addr
}

// query is the number of series of an instant query's result.
func query(t *testing.T, prometheus, expr string) int {
	t.Helper()
	status, body, err := fetch(prometheus + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil || status != http.StatusOK {
		t.Fatalf("%s: %d %s, %v", expr, status, body, err)
	}
	var r struct {
		Status string
		Data   struct{ Result []any }
	}
	if err := json.Unmarshal([]byte(body), &r); err != nil || r.Status != "success" {
		t.Fatalf("%s: %s, %v", expr, body, err)
	}
	return len(r.Data.Result)
}

// firing are the alerts of a Prometheus by name and database.
func firing(t *testing.T, prometheus string) map[string]bool {
	t.Helper()
	var r struct {
		Data struct {
			Alerts []struct {
				Labels map[string]string
				State  string
			}
		}
	}
	if err := json.Unmarshal([]byte(get(t, prometheus+"/api/v1/alerts")), &r); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, a := range r.Data.Alerts {
		if a.State == "firing" {
			got[a.Labels["alertname"]+" "+a.Labels["database"]] = true
		}
	}
	return got
}
