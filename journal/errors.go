package journal

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// Opening.
var (
	ErrNoJournal  = errors.New("there is no journal here")
	ErrUnreadable = errors.New("journal cannot be read")
	ErrNewer      = errors.New("journal was written by a newer rowback")
	ErrForeign    = errors.New("not a rowback journal")
	ErrShared     = errors.New("this journal is in PostgreSQL: package journals opens it")
)

// Any time.
var (
	// ErrDamaged: the file is not what was written to it.
	ErrDamaged = errors.New("journal is damaged")
	// ErrFull: no room on the disk. Appending works again once there is.
	ErrFull = errors.New("disk of the journal is full")
	// ErrGone: the journal's file was removed or replaced while it was open.
	ErrGone = errors.New("journal was removed while in use")
	// ErrReadOnly: this user may at most read the journal.
	ErrReadOnly = errors.New("journal cannot be written by this user")
	// ErrAway: the server of a shared journal cannot be reached now.
	ErrAway = errors.New("the journal's server cannot be reached")
	// ErrClosed: the journal has been closed.
	ErrClosed = errors.New("journal is closed")
	// ErrExists: an entry, allowance or hold with this ID is there already.
	ErrExists = errors.New("journal entry exists already")
	// ErrSettled: the entry's outcome is known already, and another one.
	ErrSettled = errors.New("journal entry is settled already")
)

func noJournal(dir string) error {
	return fmt.Errorf("%w: %s; name the directory that the proxy writes with --journal", ErrNoJournal, dir)
}

func unreadable(path string, err error) error {
	return fmt.Errorf("%w: %s: %w; run this as the user that the proxy runs as, or as root", ErrUnreadable, path, err)
}

// explain turns an SQLite error about the file at path into what is wrong and
// what to do. Other errors pass.
func explain(path string, err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) || errors.Is(err, ErrUnreadable) {
		return err
	}
	switch {
	case e.Code == sqlite3.ErrFull, e.SystemErrno == syscall.ENOSPC, e.SystemErrno == syscall.EDQUOT:
		return fmt.Errorf("%w: %s; free some space, nothing needs a restart", ErrFull, path)
	case e.Code == sqlite3.ErrNotADB:
		return fmt.Errorf("%w: %s; give another directory, or move that file away", ErrForeign, path)
	case e.Code == sqlite3.ErrCorrupt:
		return fmt.Errorf("%w: %s (%w); keep a copy of its directory, rescue what is readable with `sqlite3 … .recover`, and start a new journal", ErrDamaged, path, err)
	case e.Code == sqlite3.ErrReadonly, e.Code == sqlite3.ErrPerm, e.Code == sqlite3.ErrCantOpen,
		e.SystemErrno == syscall.EACCES, e.SystemErrno == syscall.EROFS:
		return fmt.Errorf("journal: %s cannot be written: %w; run this as the user that the proxy runs as, or mend the owner and permissions of the directory and its files, or its disk, where that is read-only", path, err)
	case isBusy(err):
		return fmt.Errorf("journal: %s stayed locked by another process for %v: %w", path, busyTimeout, err)
	}
	return fmt.Errorf("journal: %s: %w", path, err)
}
