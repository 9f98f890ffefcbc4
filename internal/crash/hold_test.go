package crash

import (
	"context"
	"errors"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// held has a statement wait for an operator, who answers by its ID. Its client sends no
// cancel request when it loses the proxy.
func held(t *testing.T, url, dir string) (id string, done chan error) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	dial, dialled := config.DialFunc, false
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		if dialled {
			return nil, errors.New("this client connects once")
		}
		dialled = true
		return dial(ctx, network, addr)
	}
	c, err := pgx.ConnectConfig(context.Background(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close(context.Background()) })
	done = make(chan error, 1)
	go func() {
		_, err := c.Exec(context.Background(), "DELETE FROM parents WHERE id < 10")
		done <- err
	}()
	for deadline := time.Now().Add(pollTime); ; pause(context.Background()) {
		if w := waiting(t, dir); len(w) == 1 {
			return w[0].ID, done
		}
		if time.Now().After(deadline) {
			t.Fatal("nothing is held")
		}
	}
}

func waiting(t *testing.T, dir string) []journal.Hold {
	t.Helper()
	j, err := journal.Open(context.Background(), dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	w, err := j.Holds(context.Background(), journal.Waiting)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// Nobody waits for an answer any more once the proxy was killed, and an operator hears that.
func TestHold_ItsProxyIsKilled(t *testing.T) {
	database := pgtest.Database(t, tables)
	addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
	more := []string{"--mode", "hold", "--threshold", "1"}
	p := serve(t, addr, pgtest.Shared(t).Addr(), dir, more...)
	id, done := held(t, through(addr, database), dir)
	p.kill(t)
	if err := <-done; err == nil {
		t.Error("its client was told that it ran")
	}
	serve(t, addr, pgtest.Shared(t).Addr(), dir, more...)
	if w := waiting(t, dir); len(w) != 0 {
		t.Errorf("still held: %+v", w)
	}
	if out, err := exec.CommandContext(t.Context(), program(t), "allow", id, "--journal", dir).CombinedOutput(); err == nil || !strings.Contains(string(out), "no longer waits") {
		t.Errorf("%v: %s", err, out)
	}
}

// What the old process holds is answered after a handover; what it held when it was
// killed waits for nobody.
func TestHold_Handover(t *testing.T) {
	for _, killed := range []bool{false, true} {
		database := pgtest.Database(t, tables)
		addr, dir := freeAddr(t), filepath.Join(t.TempDir(), "journal")
		p := serve(t, addr, pgtest.Shared(t).Addr(), dir, "--mode", "hold", "--threshold", "1")
		id, done := held(t, through(addr, database), dir)
		p.handOver(t, handedOver)
		if w := waiting(t, dir); len(w) != 1 || w[0].ID != id {
			t.Fatalf("held after the handover: %+v", w)
		}
		if killed {
			kill9(p.PID())
			for deadline := time.Now().Add(pollTime); len(waiting(t, dir)) > 0; pause(context.Background()) {
				if time.Now().After(deadline) {
					t.Fatal("it still waits")
				}
			}
			if err := <-done; err == nil {
				t.Error("its client was told that it ran")
			}
			continue
		}
		if out, err := exec.CommandContext(t.Context(), program(t), "allow", id, "--journal", dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}
