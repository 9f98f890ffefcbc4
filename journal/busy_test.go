package journal

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"
)

// lockedByAnother has another process write the journal's file, until unlock.
func lockedByAnother(t *testing.T, j *embedded) (unlock func()) {
	t.Helper()
	other, err := sql.Open("sqlite3", j.store.Load().dsn("mode=rw"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { other.Close() })
	other.SetMaxOpenConns(1)
	if _, err := other.Exec("BEGIN IMMEDIATE"); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if _, err := other.Exec("ROLLBACK"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAppend_LockedByAnother(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	unlock := lockedByAnother(t, j)
	j.patience = time.Millisecond
	if err := j.Append(t.Context(), plainEntry(), nil); err == nil || !strings.Contains(err.Error(), "locked by another process") {
		t.Errorf("locked: %v", err)
	}
	j.patience = time.Minute
	done := make(chan error)
	go func() { done <- j.Append(t.Context(), plainEntry(), nil) }()
	unlock()
	if err := <-done; err != nil {
		t.Errorf("free again: %v", err)
	}
	if n := count(t, j); n != 1 {
		t.Errorf("%d entries, want 1", n)
	}
}

// Writes that wait for another process wait together: their transactions hold locks.
func TestAppend_LockedForAllAlike(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	defer lockedByAnother(t, j)()
	j.patience = time.Second
	const n = 50 // far less than a minute, unless one after another
	limit := time.After(30 * time.Second)
	done := make(chan error, n)
	for range n {
		go func() { done <- j.Append(context.Background(), plainEntry(), nil) }()
	}
	for range n {
		select {
		case err := <-done:
			if !isBusy(err) {
				t.Fatalf("locked: %v", err)
			}
		case <-limit:
			t.Fatal("they wait for each other")
		}
	}
}

// What may be found out again is not waited for longer than its caller likes.
func TestSubmit_LazyIsLeft(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	ctx, cancel := context.WithCancel(t.Context())
	goOn, done := make(chan struct{}), false
	err := j.submit(ctx, true, func(context.Context, *store) error {
		cancel()
		<-goOn
		done = true
		return nil
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("left: %v", err)
	}
	close(goOn)
	if err := j.Ping(t.Context()); err != nil || !done { // behind it
		t.Errorf("%v, done: %v", err, done)
	}
}

// One write of a batch that cannot be done is alone in that.
func TestWriteBatch_EachForItself(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	there := plainEntry()
	if err := j.Append(t.Context(), there, nil); err != nil {
		t.Fatal(err)
	}
	same := errors.New("its own")
	var batch []*write
	for i := range 5 {
		w := &write{do: func(ctx context.Context, s *store) error {
			if i%2 == 1 {
				return same
			}
			_, err := s.settle.ExecContext(ctx, Committed, there.ID)
			return err
		}, done: make(chan error, 1), until: time.Now()}
		batch = append(batch, w)
	}
	all := append([]*write(nil), batch...)
	j.writeBatch(batch)
	for i, w := range all {
		if err := <-w.done; (i%2 == 1) != errors.Is(err, same) {
			t.Errorf("write %d: %v", i, err)
		}
	}
}
