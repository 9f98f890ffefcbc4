package e2e

import (
	"bufio"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

func TestDemo_TheWholeIncident(t *testing.T) {
	out := run(t, exec.CommandContext(t.Context(), program(t), "demo"))
	for _, want := range []string{
		"RB001", "50382", "orders 1237", "payments 8642", "refunds 12109", "audit_logs 28394", // the client's error
		"the journal has the key of each of the 50,382 rows",
		"✓ customers  equal to before", "✓ orders     equal to before", "✓ payments   equal to before", "✓ refunds    equal to before", "✓ audit_logs equal to before",
		"✓ no sequence went back",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("not said: %q", want)
		}
	}
	if strings.Contains(out, "\x1b") {
		t.Error("colours, and this is no terminal")
	}
	gone(t, out)
	if t.Failed() {
		t.Log(out)
	}
}

func TestDemo_InterruptedLeavesNothing(t *testing.T) {
	cmd := exec.CommandContext(t.Context(), program(t), "demo", "--small")
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	cmd.Stdout, cmd.Stderr = w, w
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	w.Close()
	var said strings.Builder
	interrupted := false
	for lines := bufio.NewScanner(r); lines.Scan(); {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "listening on") && !interrupted {
			interrupted = true
			if err := cmd.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.ExitCode() != 1 {
		t.Errorf("got %v\n%s", err, &said)
	}
	gone(t, said.String())
}

func TestDemo_KeepLeavesEverythingRunning(t *testing.T) {
	out := run(t, exec.CommandContext(t.Context(), program(t), "demo", "--small", "--keep"))
	_, end, ok := strings.Cut(out, "end it all")
	if !ok {
		t.Fatalf("not said how to end it:\n%s", out)
	}
	end = strings.TrimSpace(end)
	defer func() {
		if out, err := exec.CommandContext(context.Background(), "sh", "-c", end).CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", end, err, out)
		}
		gone(t, out)
	}()
	_, left, _ := strings.Cut(out, "(--keep)")
	urls := regexp.MustCompile(`psql (postgres://\S*)`).FindAllStringSubmatch(left, -1)
	if len(urls) != 3 {
		t.Fatalf("%d connection strings:\n%s", len(urls), left)
	}
	for _, u := range urls {
		conn, err := pgx.Connect(t.Context(), u[1])
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(t.Context(), "SELECT count(*) FROM orders"); err != nil {
			t.Error(err)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// gone fails if a directory or a server that the demo named is still there.
func gone(t *testing.T, said string) {
	t.Helper()
	for _, dir := range regexp.MustCompile(`/[^ ']*/rowback-(demo|pg)-\d+`).FindAllString(said, -1) {
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("left behind: %s", dir)
		}
	}
	for _, url := range regexp.MustCompile(`postgres://[^' ]*`).FindAllString(said, -1) {
		conn, err := pgx.Connect(context.Background(), url)
		if err == nil {
			t.Errorf("still running: %s", url)
			_ = conn.Close(context.Background())
		}
	}
	for _, pid := range regexp.MustCompile(`kill -\w+ ([\d ]+);`).FindAllStringSubmatch(said, -1) {
		for _, p := range strings.Fields(pid[1]) {
			for end := time.Now().Add(time.Minute); exec.CommandContext(context.Background(), "kill", "-0", p).Run() == nil; time.Sleep(50 * time.Millisecond) {
				if time.Now().After(end) {
					t.Errorf("process %s is still running", p)
					break
				}
			}
		}
	}
}
