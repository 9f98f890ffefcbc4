package pgtest

import (
	"bufio"
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
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv("PGTEST_ORPHAN") != "" {
		orphan()
	}
	Main(m, Options{})
}

// orphan starts a cluster, says where, and waits to be killed.
func orphan() {
	c, err := Start(context.Background(), Options{Unsafe: true})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println(c.Dir)
	fmt.Println(c.server.PID())
	select {}
}

func TestDatabase_IsFreshAndUsable(t *testing.T) {
	name := Database(t, "CREATE TABLE t (id int); INSERT INTO t VALUES (1)")
	Exec(t, Shared(t).URL(name), "DO $$ BEGIN IF (SELECT count(*) FROM t) <> 1 THEN RAISE 'not fresh'; END IF; END $$")
}

func TestCluster_DiesWithAKilledOwner(t *testing.T) {
	ctx := t.Context()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), "PGTEST_ORPHAN=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	dir, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	dir = strings.TrimSpace(dir)
	if _, err := lines.ReadString('\n'); err != nil {
		t.Fatal(dir, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	// The postmaster holds the lock too: we get it when the last process is gone.
	f, err := os.Open(filepath.Join(dir, "lock"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
}

func TestCluster_CrashAndRunKeepThePort(t *testing.T) {
	ctx := t.Context()
	c, err := Start(ctx, Options{Settings: []string{"application_name='from options'"}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	port := c.Port
	if err := c.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	if err := c.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if c.Port != port {
		t.Errorf("port %d became %d", port, c.Port)
	}
	if got := show(t, c, "application_name"); got != "from options" {
		t.Errorf("Settings did not arrive: %q", got)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	if exists(c.Dir) {
		t.Error("the directory is still there after Stop")
	}
}

func TestCluster_PortTakenByAnother(t *testing.T) {
	c, err := Start(t.Context(), Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	if err := c.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	c.Wait()
	l, err := net.Listen("tcp", c.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := c.Run(t.Context()); !errors.Is(err, errPortTaken) {
		t.Fatalf("got %v", err)
	}
	if err := c.firstRun(t.Context()); err != nil {
		t.Fatal(err)
	}
	show(t, c, "port")
}

func TestCluster_DetachedStaysUntilStop(t *testing.T) {
	c, err := Start(t.Context(), Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Stop()
	pid, err := c.Detach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if session, err := unix.Getsid(pid); err != nil || session != pid {
		t.Errorf("session of %d: %d, %v", pid, session, err)
	}
	show(t, c, "port")
}

func TestCluster_AvoidsUnusableTempDir(t *testing.T) {
	t.Setenv("TMPDIR", filepath.Join(t.TempDir(), strings.Repeat("long", 30)))
	if err := os.MkdirAll(os.Getenv("TMPDIR"), 0o700); err != nil {
		t.Fatal(err)
	}
	c, err := Start(t.Context(), Options{Unsafe: true})
	if err != nil {
		t.Fatal(err)
	}
	show(t, c, "port")
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), Options{Dir: os.Getenv("TMPDIR")})
	if err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("an unusable Dir was not refused by name: %v", err)
	}
}

func TestSweep_SparesWhatIsInUse(t *testing.T) {
	c := Shared(t)
	dead := filepath.Join(filepath.Dir(c.Dir), dirPrefix+"1")
	if err := os.MkdirAll(dead, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dead, "lock"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	yesterday := time.Now().AddDate(0, 0, -1)
	for _, dir := range []string{dead, c.Dir} {
		if err := os.Chtimes(filepath.Join(dir, "lock"), yesterday, yesterday); err != nil {
			t.Fatal(err)
		}
	}
	sweep(filepath.Dir(c.Dir))
	if exists(dead) {
		t.Error("a dead directory was left")
	}
	show(t, c, "port")
	if !exists(c.data()) {
		t.Error("a living cluster was removed")
	}
}

func show(t *testing.T, c *Cluster, setting string) (value string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.URL("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), "SELECT current_setting($1)", setting).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
