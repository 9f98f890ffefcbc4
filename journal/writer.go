package journal

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/mattn/go-sqlite3"
)

// maxBatch bounds the writes that share one transaction and its fsync.
const maxBatch = 128

// write is one waiting Append or Settle.
type write struct {
	do   func(context.Context, *store) error // inside a transaction
	lazy bool                                // may be lost with the machine's power: no fsync for it alone
	done chan error                          // buffered: 1
	// until is when it gives up waiting for another process that writes the file: those
	// that queue wait together, not one after another.
	until time.Time
}

// submit has the writer do what needs this version's schema; see enqueue.
func (j *embedded) submit(ctx context.Context, lazy bool, do func(context.Context, *store) error) error {
	if s := j.store.Load(); !s.readOnly && s.version < len(migrations) {
		return fmt.Errorf("journal: %s has format %d, and was opened for reading alone", s.path, s.version)
	}
	return j.enqueue(ctx, lazy, do)
}

// enqueue has the writer do it and returns when it is done (durable, unless
// lazy), or has failed.
// Cancelling ctx withdraws it only as long as the writer has not taken it up:
// afterwards nobody could say whether it is stored. Of a lazy one nobody can anyway,
// and it may be done twice: it is not waited for any longer.
func (j *embedded) enqueue(ctx context.Context, lazy bool, do func(context.Context, *store) error) error {
	w := &write{do, lazy, make(chan error, 1), time.Now().Add(j.patience)}
	select {
	case <-j.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	default:
	}
	select {
	case j.writes <- w:
	case <-j.quit:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
	if !lazy {
		return <-w.done
	}
	select {
	case err := <-w.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// writeLoop is the writer goroutine. Writes that wait while it commits go into
// the next transaction together.
func (j *embedded) writeLoop() {
	defer close(j.stopped)
	for {
		select {
		case w := <-j.writes:
			j.writeBatch(j.gather(w))
		case <-j.quit:
			return
		}
	}
}

// gather takes up what waits behind a first write. Goroutines that are about to write
// run before, as long as there are any: a transaction costs more than a write in it.
func (j *embedded) gather(first *write) []*write {
	batch := []*write{first}
	for before := 0; before < len(batch) && len(batch) < maxBatch; {
		before = len(batch)
		runtime.Gosched()
		for waiting := true; waiting && len(batch) < maxBatch; {
			select {
			case w := <-j.writes:
				batch = append(batch, w)
			default:
				waiting = false
			}
		}
	}
	return batch
}

// writeBatch tells each of the batch how its write ended, which nobody else's spoils.
func (j *embedded) writeBatch(batch []*write) {
	for reopened := false; len(batch) > 0; {
		faulty, err := j.commit(batch)
		if isReadOnly(err) && !reopened && takesFiles(j.dir) {
			// What SQLite has opened while it could be read alone stays so.
			if reopened = true; j.reopen(context.Background()) == nil {
				continue
			}
		}
		switch {
		case err == nil || len(batch) == 1 && !isBusy(err):
			finish(batch, err)
			return
		case isBusy(err):
			batch = late(batch, err)
		case faulty >= 0:
			finish(batch[faulty:faulty+1], err)
			batch = slices.Delete(batch, faulty, faulty+1)
		default: // a full disk may have room for some of them
			for _, w := range batch {
				if len(late([]*write{w}, err)) > 0 {
					j.writeBatch([]*write{w})
				}
			}
			return
		}
	}
}

func finish(batch []*write, err error) {
	for _, w := range batch {
		w.done <- err
	}
}

// late ends what has waited long enough with an error, and returns what goes on waiting.
func late(batch []*write, err error) []*write {
	now := time.Now()
	return slices.DeleteFunc(batch, func(w *write) bool {
		if now.Before(w.until) {
			return false
		}
		w.done <- err
		return true
	})
}

// commit does the batch in one transaction. It leaves the connection ready for
// the next one, whatever happened. faulty is which of them failed by itself; -1: none.
func (j *embedded) commit(batch []*write) (faulty int, err error) {
	// Not the callers' contexts: an interrupted commit is an unknown one.
	ctx := context.Background()
	faulty = -1
	s, err := j.current(ctx)
	if err != nil {
		return faulty, err
	}
	err = s.sync(ctx, slices.ContainsFunc(batch, func(w *write) bool { return !w.lazy }))
	if err == nil {
		_, err = s.write.ExecContext(ctx, "BEGIN IMMEDIATE")
	}
	for i, w := range batch {
		if err != nil {
			break
		}
		if err = w.do(ctx, s); err != nil {
			faulty = i
		}
	}
	if err == nil {
		_, err = s.write.ExecContext(ctx, "COMMIT")
	}
	if err != nil {
		// Fails where SQLite has rolled back already, as on a full disk.
		_, _ = s.write.ExecContext(ctx, "ROLLBACK")
	}
	return faulty, explain(s.path, err)
}

// current is the store to write to. Where the file has been removed, but a
// directory is there again, a new file is begun: evidence from now on is better
// than none.
func (j *embedded) current(ctx context.Context) (*store, error) {
	s := j.store.Load()
	if s.readOnly {
		return nil, fmt.Errorf("%w: %s; run this as the user that the proxy runs as, or as root", ErrReadOnly, s.path)
	}
	gone := s.inPlace()
	if gone == nil {
		return s, nil
	}
	if _, err := os.Stat(filepath.Dir(s.path)); errors.Is(err, fs.ErrNotExist) {
		return nil, gone
	}
	if err := j.reopen(ctx); err != nil {
		if errors.Is(gone, ErrGone) {
			err = errors.Join(gone, err)
		}
		return nil, err
	}
	fresh := j.store.Load()
	if fresh.made {
		j.options.Logger.Warn("the journal was removed while in use; a new one was begun", "journal", s.path)
	}
	return fresh, nil
}

// reopen opens the journal again. The old file goes first: SQLite shares with a new
// connection what it knows of it. Where that fails reading and writing fail on the closed one,
// until the next write tries again; the lock stays.
func (j *embedded) reopen(ctx context.Context) error {
	s, o := j.store.Load(), j.options
	_ = s.closeFile()
	o.Lock = s.lock
	fresh, err := openStore(ctx, j.dir, o)
	if err != nil {
		return err
	}
	j.store.Store(fresh)
	_ = s.close()
	return nil
}

// takesFiles reports whether files can be made in a directory: its disk is not read-only.
func takesFiles(dir string) bool {
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return false
	}
	return errors.Join(f.Close(), os.Remove(f.Name())) == nil
}

func isReadOnly(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == sqlite3.ErrReadonly
}

// isBusy: another process is writing the file.
func isBusy(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrBusy || e.Code == sqlite3.ErrLocked)
}

func isUnique(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.ExtendedCode == sqlite3.ErrConstraintUnique
}
