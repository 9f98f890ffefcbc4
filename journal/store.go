package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	_ "github.com/mattn/go-sqlite3" // registers the driver
)

const (
	fileName    = "journal.db"
	busyTimeout = 10 * time.Second
	// busyTry is how long the writer waits at a time: it looks between whose wait is over.
	busyTry = 250 * time.Millisecond
)

// store is one opened journal file: a connection that writes and several that
// read. It says nothing of entries.
type store struct {
	path     string
	readOnly bool        // no writer is open
	made     bool        // the file was not there
	version  int         // of the schema, as it was opened
	identity os.FileInfo // of the file opened
	lock     *os.File    // nil unless held for a proxy
	closed   bool        // must only be used by the writer goroutine once open

	writers *sql.DB   // holds the one connection below
	write   *sql.Conn // must only be used by the writer goroutine once open
	insert  struct{ entry, touched, block *sql.Stmt }
	settle  *sql.Stmt
	relaxed bool // commits do not fsync; must only be used by the writer goroutine once open

	read *sql.DB
}

func openStore(ctx context.Context, dir string, o Options) (_ *store, err error) {
	s := &store{path: filepath.Join(dir, fileName)}
	defer func() {
		if err != nil {
			err = explain(s.path, err)
			_ = s.close()
		}
	}()
	if o.Reader && !mayWrite(dir, s.path) {
		s.readOnly = true
		return s, s.openReader(ctx)
	}
	if err := makeDirectory(dir, o.MustExist); err != nil {
		return nil, err
	}
	if o.Proxy != "" {
		if s.lock, err = inheritLock(dir, o.Proxy, o.Lock); err != nil {
			return nil, err
		}
		if s.lock == nil {
			if s.lock, err = lockProxy(dir, o.Proxy); err != nil {
				return nil, err
			}
		}
	}
	if s.made, err = makeFile(s.path); err != nil {
		return nil, err
	}
	if s.made && o.Proxy != "" {
		o.Logger.Info("a new, empty journal is begun", "journal", s.path)
	}
	if err := s.openWriter(ctx, o.Reader); err != nil {
		return nil, err
	}
	if s.identity, err = os.Stat(s.path); err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if s.read, err = sql.Open("sqlite3", s.dsn("mode=rw&_query_only=on")); err != nil {
		return nil, err
	}
	s.read.SetMaxIdleConns(4)
	return s, nil
}

// dsn: synchronous=FULL makes every commit fsync the write-ahead log, and with
// that an entry durable when Append returns.
func (s *store) dsn(more string) string {
	file := url.URL{Path: s.path}
	return fmt.Sprintf("file:%s?_journal_mode=WAL&_synchronous=FULL&_foreign_keys=on&_busy_timeout=%d&%s",
		file.EscapedPath(), busyTimeout.Milliseconds(), more)
}

// openWriter brings the schema to this version; for a reader only where there is none:
// a proxy of the version before, which may start again, would refuse a newer one.
func (s *store) openWriter(ctx context.Context, reader bool) (err error) {
	if s.writers, err = sql.Open("sqlite3", s.dsn("mode=rw")); err != nil {
		return err
	}
	s.writers.SetMaxOpenConns(1)
	if s.write, err = s.writers.Conn(ctx); err != nil {
		return err
	}
	// A very large entry must not leave a log of its size behind.
	if _, err := s.write.ExecContext(ctx, "PRAGMA journal_size_limit = 67108864"); err != nil {
		return err
	}
	if err := s.checkDurable(ctx); err != nil {
		return err
	}
	if s.version, err = schemaVersion(ctx, s.write, s.path); err != nil {
		return err
	}
	if !reader || s.version == 0 {
		if err := migrate(ctx, s.write, s.path); err != nil {
			return err
		}
		s.version = len(migrations)
	}
	if _, err := s.write.ExecContext(ctx, fmt.Sprintf("PRAGMA busy_timeout = %d", busyTry.Milliseconds())); err != nil {
		return err
	}
	return s.prepare(ctx)
}

// checkDurable refuses a file system on which the settings asked for do not
// hold: SQLite falls back without an error.
func (s *store) checkDurable(ctx context.Context) error {
	var mode string
	var synchronous int
	err := s.write.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode)
	if err == nil {
		err = s.write.QueryRowContext(ctx, "PRAGMA synchronous").Scan(&synchronous)
	}
	if err != nil {
		return err
	}
	if mode != "wal" || synchronous != 2 {
		return fmt.Errorf("journal: %s does not support a write-ahead log (mode %s); use a directory on a local disk", s.path, mode)
	}
	return nil
}

// sync chooses whether the next commit fsyncs the write-ahead log. One that
// does makes those before it durable too: the log is one file.
func (s *store) sync(ctx context.Context, full bool) error {
	if full == !s.relaxed {
		return nil
	}
	level := "NORMAL"
	if full {
		level = "FULL"
	}
	if _, err := s.write.ExecContext(ctx, "PRAGMA synchronous = "+level); err != nil {
		return err
	}
	s.relaxed = !full
	return nil
}

func (s *store) prepare(ctx context.Context) error {
	for stmt, text := range map[**sql.Stmt]string{
		&s.insert.entry: `INSERT INTO entry (id, time, kind, outcome, database, user, application, proxy, rows, keys, body)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		&s.insert.touched: `INSERT OR IGNORE INTO touched (name, schema, entry) VALUES (?, ?, ?)`,
		&s.insert.block:   `INSERT INTO block (entry, no, rows, data) VALUES (?, ?, ?, ?)`,
		&s.settle:         `UPDATE entry SET outcome = ?1 WHERE id = ?2 AND outcome IN ('in_doubt', ?1)`,
	} {
		var err error
		if *stmt, err = s.write.PrepareContext(ctx, text); err != nil {
			return err
		}
	}
	return nil
}

// inPlace reports whether the path still leads to the file that is open: what
// is written to a removed file is evidence of nothing.
func (s *store) inPlace() error {
	now, err := os.Stat(s.path)
	switch same := err == nil && os.SameFile(now, s.identity); {
	case same && s.closed:
		return errClosed
	case same:
		return nil
	}
	return fmt.Errorf("%w: %s; put it back, or make an empty directory for a new one", ErrGone, s.path)
}

// errClosed: it is still to be opened again.
var errClosed = errors.New("the journal's file is closed")

func (s *store) close() error {
	err := s.closeFile()
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
	}
	return err
}

// closeFile closes all but the lock.
func (s *store) closeFile() error {
	if s.closed {
		return nil
	}
	s.closed = true
	var errs []error
	if s.read != nil {
		errs = append(errs, s.read.Close())
	}
	// database/sql leaves these to us, and with one open SQLite stays open too.
	for _, stmt := range []*sql.Stmt{s.insert.entry, s.insert.touched, s.insert.block, s.settle} {
		if stmt != nil {
			errs = append(errs, stmt.Close())
		}
	}
	if s.write != nil {
		errs = append(errs, s.write.Close())
	}
	if s.writers != nil {
		errs = append(errs, s.writers.Close())
	}
	return errors.Join(errs...)
}

// makeDirectory makes dir, for its owner alone, and its name durable.
func makeDirectory(dir string, mustExist bool) error {
	info, err := os.Stat(dir)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return fmt.Errorf("journal: %s is a file; the journal is a directory", dir)
	case !errors.Is(err, os.ErrNotExist) || mustExist:
		return fmt.Errorf("journal: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("journal: %w; give a directory that can be made, or make it for the user rowback runs as", err)
	}
	parent, err := os.Open(filepath.Dir(dir))
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	defer parent.Close()
	return parent.Sync()
}

// makeFile makes the empty, private file of a new journal; SQLite gives its
// other files the same permissions. A file that is there is not even opened:
// closing it would drop the locks that SQLite holds on it in this process.
func makeFile(path string) (made bool, err error) {
	if _, err := os.Stat(path); err == nil {
		return false, nil
	}
	fresh, err := os.CreateTemp(filepath.Dir(path), "new-*") // mode 0600
	if err != nil {
		return false, fmt.Errorf("journal: %w; check the owner and permissions of the directory", err)
	}
	defer os.Remove(fresh.Name())
	if err := fresh.Close(); err != nil {
		return false, fmt.Errorf("journal: %w", err)
	}
	if err := os.Link(fresh.Name(), path); err != nil && !errors.Is(err, os.ErrExist) {
		return false, fmt.Errorf("journal: %w", err)
	}
	return true, nil
}
