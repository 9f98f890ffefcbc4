package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/mattn/go-sqlite3"
	"golang.org/x/sys/unix"
)

// mayWrite: this process may write the file at path in dir, and others beside
// it as SQLite does. A file that is not there is for others to complain of.
func mayWrite(dir, path string) bool {
	for _, p := range []string{dir, path} {
		if err := unix.Access(p, unix.W_OK); err != nil && !errors.Is(err, unix.ENOENT) {
			return false
		}
	}
	return true
}

// openReader opens the file for reading alone. SQLite reads beside a writer
// through the files that one has open (-wal, -shm). Without a writer they are
// not there and cannot be made; then nothing but the file itself counts.
func (s *store) openReader(ctx context.Context) (err error) {
	if err := unix.Access(s.path, unix.R_OK); err != nil {
		return unreadable(s.path, err)
	}
	options := "mode=ro"
	if _, err := os.Stat(s.path + "-wal"); errors.Is(err, fs.ErrNotExist) {
		options += "&immutable=1"
	}
	if s.read, err = sql.Open("sqlite3", s.readerDSN(options)); err != nil {
		return err
	}
	c, err := s.read.Conn(ctx)
	if err != nil {
		return unreadable(s.path, err)
	}
	defer c.Close()
	s.version, err = schemaVersion(ctx, c, s.path)
	switch {
	case sqlitePermission(err):
		return unreadable(s.path, err)
	case err == nil && s.version == 0:
		return noJournal(s.path) // an empty file, not yet begun
	}
	return err
}

// sqlitePermission: SQLite was not let at one of its files.
func sqlitePermission(err error) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && (e.Code == sqlite3.ErrCantOpen || e.Code == sqlite3.ErrReadonly || e.Code == sqlite3.ErrPerm)
}

// hasApprovals: a journal of version 1 has none, and a reader cannot change that.
func (s *store) hasApprovals() bool { return s.version >= 2 }

// readerDSN leaves out the settings that would write.
func (s *store) readerDSN(more string) string {
	file := url.URL{Path: s.path}
	return fmt.Sprintf("file:%s?_busy_timeout=%d&_query_only=on&%s", file.EscapedPath(), busyTimeout.Milliseconds(), more)
}
