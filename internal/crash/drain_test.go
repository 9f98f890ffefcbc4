package crash

import (
	"context"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// drained is a proxy that has been told to end while a session is in a
// transaction that has removed rows.
func drained(t *testing.T) (p *served, exec func(sql string) error, direct, dir string) {
	t.Helper()
	c := pgtest.Shared(t)
	database := pgtest.Database(t, tables)
	direct, dir = c.URL(database), filepath.Join(t.TempDir(), "journal")
	addr := freeAddr(t)
	p = serve(t, addr, c.Addr(), dir)
	conn := connect(t, through(addr, database))
	t.Cleanup(func() { conn.Close(context.Background()) })
	exec = func(sql string) error {
		_, err := conn.Exec(context.Background(), sql)
		return err
	}
	for _, sql := range []string{"BEGIN", "DELETE FROM parents WHERE id <= 5"} {
		if err := exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(pollTime); !strings.Contains(p.text(), "draining"); pause(context.Background()) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not drain:\n%s", p.text())
		}
	}
	return p, exec, direct, dir
}

func TestDrain_TransactionFinishesWithEvidence(t *testing.T) {
	p, exec, direct, dir := drained(t)
	for _, sql := range []string{"DELETE FROM parents WHERE id = 6", "COMMIT"} {
		if err := exec(sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if err := p.wait(); err != nil {
		t.Errorf("%v\n%s", err, p.text())
	}
	wantEntries(t, direct, dir, 18, journal.Committed)
}

func TestDrain_SecondSignalEndsAtOnce(t *testing.T) {
	p, exec, direct, dir := drained(t)
	if err := p.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := p.wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("ended with %v", err)
	}
	if exec("COMMIT") == nil {
		t.Error("COMMIT went through")
	}
	wantEntries(t, direct, dir, 0)
}

// wantEntries checks how many rows are gone, and the outcomes in the journal.
func wantEntries(t *testing.T, direct, dir string, gone int, outcomes ...journal.Outcome) {
	t.Helper()
	j, err := journal.Open(context.Background(), dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	all := entries(t, j, journal.Filter{})
	if n := len(query[int](t, direct, "SELECT 1 FROM deleted_log")); n != gone || len(all) != len(outcomes) {
		t.Fatalf("%d rows gone, %d entries; want %d and %d", n, len(all), gone, len(outcomes))
	}
	for i, e := range all {
		if e.Outcome != outcomes[i] || int(e.Rows) != gone {
			t.Errorf("%+v", e)
		}
	}
}
