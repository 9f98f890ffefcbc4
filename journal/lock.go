package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockProxy takes the directory's lock for a proxy. The kernel frees it when
// the file is closed, however the process ends.
func lockProxy(dir, proxy string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "proxy.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		defer f.Close()
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, fmt.Errorf("journal: locking %s: %w", f.Name(), err)
		}
		holder, _ := io.ReadAll(io.LimitReader(f, 200))
		return nil, fmt.Errorf("%w: %s (%s); give each proxy a journal of its own", ErrInUse, dir, holder)
	}
	// Only for people who look into the file.
	_ = f.Truncate(0)
	_, _ = f.WriteAt(fmt.Appendf(nil, "%s, process %d", proxy, os.Getpid()), 0)
	return f, nil
}
