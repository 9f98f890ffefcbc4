package alert

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// script is a command that runs a shell script with the arguments.
func script(text string, args ...string) Command {
	c := Command{Args: []Secret{"/bin/sh", "-c", Secret(text), "sh"}}
	for _, a := range args {
		c.Args = append(c.Args, Secret(a))
	}
	return c
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestCommand_GetsJSONAndFacts(t *testing.T) {
	dir := t.TempDir()
	a := run(t, Options{}, Sink{Name: "c", To: script(`cat >"$1/in"; env | grep ^ROWBACK_ALERT_ | sort >"$1/env"`, dir)})
	e := blocked("it's $(me)")
	e.ID = "B1"
	a.Entry(e)
	a.wait(t, "c sent", 1)
	var m Message
	decode(t, []byte(read(t, filepath.Join(dir, "in"))), &m)
	if m.ID != "B1" || m.Entry == nil || len(m.SQL) != 0 || strings.Contains(m.Text, "SECRET-ROW") {
		t.Errorf("%+v", m)
	}
	want := `ROWBACK_ALERT_APPLICATION=psql
ROWBACK_ALERT_CLIENT=10.0.0.5:4122
ROWBACK_ALERT_DATABASE=shop
ROWBACK_ALERT_ID=B1
ROWBACK_ALERT_KIND=blocked
ROWBACK_ALERT_NEXT=` + m.Next + `
ROWBACK_ALERT_ROWS=50
ROWBACK_ALERT_RULE=nightly
ROWBACK_ALERT_SEVERITY=warning
ROWBACK_ALERT_TABLES=orders 20, audit.payments 30 (cascade)
ROWBACK_ALERT_TEXT=` + m.Text + `
ROWBACK_ALERT_USER=it's $(me)
ROWBACK_ALERT_WHAT=` + m.What + "\n"
	if got := read(t, filepath.Join(dir, "env")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestCommand_FailsAndIsRunAgain(t *testing.T) {
	dir := t.TempDir()
	a := run(t, Options{}, Sink{Name: "c", To: script(`echo x >>"$1/n"; [ $(wc -l <"$1/n") -ge 3 ]`, dir)})
	a.Entry(blocked("u"))
	a.wait(t, "c sent", 1)
	if n := strings.Count(read(t, filepath.Join(dir, "n")), "x"); n != 3 {
		t.Errorf("run %d times", n)
	}
}

func TestCommand_Errors(t *testing.T) {
	n := ofEntry(blocked("u"))
	for text, want := range map[string]string{
		"echo no such pager >&2; exit 3": "sh ended with exit status 3: no such pager",
		"kill -9 $$":                     "sh ended with signal: killed",
	} {
		if err := script(text).send(t.Context(), n.message(false)); err == nil || err.Error() != want || !passing(err) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (Command{Args: []Secret{"/no/such/program"}}).send(t.Context(), n.message(false)); err == nil || !strings.Contains(err.Error(), "program cannot be run") {
		t.Error(err)
	}
}

// It need not read its input, and may leave something running.
func TestCommand_LeavesAProcessBehind(t *testing.T) {
	dir := t.TempDir()
	n := ofEntry(blocked("u"))
	n.Entry.Alert = strings.Repeat("x", 1<<20) // more than a pipe takes
	err := script(`sleep 300 & echo $! >"$1/pid"`, dir).send(t.Context(), n.message(false))
	if err != nil {
		t.Error(err)
	}
	pid := pidIn(t, filepath.Join(dir, "pid"))
	if !alive(pid) {
		t.Error("what the command left running was killed")
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
}

func TestCommand_KilledWithItsGroup(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	failed := make(chan error)
	n := ofEntry(blocked("u"))
	go func() {
		failed <- script(`sleep 300 & echo $! >"$1/tmp"; mv "$1/tmp" "$1/pid"; wait`, dir).send(ctx, n.message(false))
	}()
	name := filepath.Join(dir, "pid")
	for end := time.Now().Add(soon); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(name); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the command does not run")
		}
	}
	cancel()
	if err := <-failed; err == nil || !strings.Contains(err.Error(), "sh was killed") {
		t.Error(err)
	}
	pid := pidIn(t, name)
	for end := time.Now().Add(soon); alive(pid); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the command's child lives on")
		}
	}
}

func pidIn(t *testing.T, name string) int {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(read(t, name)))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// alive: it runs, and is not merely unreaped.
func alive(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if os.IsNotExist(err) {
		return syscall.Kill(pid, 0) == nil // no /proc on this system
	}
	_, state, _ := strings.Cut(string(b), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}
