package alert

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/child"
)

// startAlertmanager starts a real one on loopback and returns its address.
func startAlertmanager(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("prometheus-alertmanager") // Debian's name for it
	if err != nil {
		if path, err = exec.LookPath("alertmanager"); err != nil {
			t.Fatal("no alertmanager in PATH; sh scripts/bootstrap test installs it")
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := filepath.Join(dir, "alertmanager.yml")
	if err := os.WriteFile(config, []byte("route: {receiver: none}\nreceivers: [{name: none}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	cmd := exec.Command(path, "--config.file="+config, "--storage.path="+dir, "--web.listen-address="+addr, "--cluster.listen-address=")
	cmd.Stdout, cmd.Stderr = &said, &said
	p, err := child.Start(cmd, syscall.SIGTERM)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Signal(syscall.SIGTERM)
		_ = p.Wait()
	})
	for end := time.Now().Add(soon); ; time.Sleep(10 * time.Millisecond) {
		if resp, err := client.Get("http://" + addr + "/-/ready"); err == nil {
			resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return addr
			}
		}
		select {
		case <-p.Done():
			t.Fatalf("alertmanager ended: %v\n%s", p.Wait(), said.String())
		default:
		}
		if time.Now().After(end) {
			t.Fatal("alertmanager does not answer")
		}
	}
}

func TestAlertmanager_Real(t *testing.T) {
	addr := startAlertmanager(t)
	s := Sink{To: Alertmanager{URL: Secret("http://" + addr + "/")}, Repeat: -1}
	a := run(t, Options{Proxy: "p9"}, s)
	e, gone, h := blocked("app"), committed("app\xff"), hold()
	for _, at := range []*time.Time{&e.Time, &gone.Time, &h.Time} {
		*at = time.Now().UTC()
	}
	a.Entry(e)
	a.Entry(e) // again: one alert all the same
	a.Entry(gone)
	a.Hold(h)
	a.wait(t, "alertmanager sent", 4)
	if r := a.Test(t.Context()); len(r) != 1 || r[0].Error != nil || r[0].To != addr {
		t.Errorf("%+v", r)
	}
	resp, err := client.Get("http://" + addr + "/api/v2/alerts")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var got []struct {
		Labels, Annotations map[string]string
		EndsAt              time.Time
		Status              struct{ State string }
	}
	if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
		t.Fatal(err)
	}
	seen := map[string]string{}
	for _, g := range got {
		seen[g.Labels["alertname"]] = fmt.Sprint(g.Labels["severity"], " ", g.Labels["database"], " ", g.Labels["user"], " ", g.Labels["rule"], " ", g.Labels["reference"], " ", g.Annotations["tables"])
		if g.Annotations["summary"] == "" || g.Status.State == "suppressed" {
			t.Errorf("%+v", g)
		}
		if g.Labels["alertname"] == "RowbackStatementHeld" && !g.EndsAt.Equal(h.Expires.Truncate(time.Millisecond)) {
			t.Errorf("the alert of a hold ends at %s, the hold at %s", g.EndsAt, h.Expires)
		}
	}
	tables := " orders 20, audit.payments 30 (cascade)"
	for name, want := range map[string]string{
		"RowbackBlocked":       "warning shop app nightly " + e.ID + tables,
		"RowbackRowsRemoved":   "critical shop app? nightly " + gone.ID + tables,
		"RowbackStatementHeld": "critical shop app nightly " + h.ID + " ",
		"RowbackTest":          seen["RowbackTest"],
	} {
		if seen[name] != want || want == "" {
			t.Errorf("%s: got %q, want %q", name, seen[name], want)
		}
	}
	if len(got) != 4 {
		t.Errorf("%d alerts: %v", len(got), seen)
	}
}
