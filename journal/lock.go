package journal

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Locked is what a journal that one proxy alone may have open offers besides.
type Locked interface {
	// Lock is the lock, for the process that takes over from this one
	// (Options.Lock). It stays taken until both have closed it. The caller closes what
	// it is given.
	Lock() (*os.File, error)
	// Sign notes for people that this process has the lock, where the one that took
	// over has ended before it.
	Sign()
}

func (j *embedded) Lock() (*os.File, error) {
	s := j.store.Load()
	if s.lock == nil {
		return nil, errors.New("journal: it is not open for a proxy")
	}
	return duplicate(s.lock)
}

func (j *embedded) Sign() {
	if s := j.store.Load(); s.lock != nil {
		sign(s.lock, j.options.Proxy)
	}
}

// inheritLock is lockProxy where given is the lock of that directory already, held
// by the proxy that gave it, too. Else it returns nil.
func inheritLock(dir, proxy string, given *os.File) (*os.File, error) {
	if given == nil {
		return nil, nil
	}
	theirs, err := given.Stat()
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	here, err := os.Stat(filepath.Join(dir, lockName))
	if err != nil || !os.SameFile(here, theirs) { // theirs is the lock of another journal
		return nil, nil
	}
	// Granted to who holds it already, and to nobody else.
	if err := unix.Flock(int(given.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrInUse, dir)
	}
	f, err := duplicate(given)
	if err == nil {
		sign(f, proxy)
	}
	return f, err
}

func duplicate(f *os.File) (*os.File, error) {
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return os.NewFile(uintptr(fd), f.Name()), nil
}

const lockName = "proxy.lock"

// lockProxy takes the directory's lock for a proxy. The kernel frees it when
// the file is closed, however the process ends.
func lockProxy(dir, proxy string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, lockError(dir, err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("journal: locking %s: %w", f.Name(), err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 200))
		return nil, fmt.Errorf("%w: %s (%s); give each proxy a journal of its own, or all a shared one in PostgreSQL; or, if that one is stopping, wait until its last session has ended, or end it", ErrInUse, dir, holder)
	}
	sign(f, proxy)
	return f, nil
}

// lockError is why the lock of a directory cannot be opened, and what to do.
func lockError(dir string, err error) error {
	if errors.Is(err, fs.ErrPermission) {
		return fmt.Errorf("journal: %w; run as the user that owns %s (a proxy that ran as another one made it), or give it to this one: chown -R", err, dir)
	}
	return fmt.Errorf("journal: %w", err)
}

// sign is only for people who look into the file.
func sign(f *os.File, proxy string) {
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "%s, process %d", proxy, os.Getpid()), 0)
}
