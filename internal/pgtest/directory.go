package pgtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

const (
	dirPrefix  = "rowback-pg-"
	maxSocket  = 107 // bytes of a unix socket's path, on Linux
	socketName = "/" + dirPrefix + "4294967295/.s.PGSQL.65535"
)

// makeDir makes the cluster's directory, owned by its user, and takes its lock.
func (c *Cluster) makeDir(parent string) error {
	parent, err := c.parent(parent)
	if err != nil {
		return err
	}
	sweep(parent)
	if c.Dir, err = os.MkdirTemp(parent, dirPrefix); err != nil {
		return err
	}
	if c.lock, err = os.Create(filepath.Join(c.Dir, "lock")); err != nil {
		return errors.Join(err, os.RemoveAll(c.Dir))
	}
	if err := syscall.Flock(int(c.lock.Fd()), syscall.LOCK_EX); err != nil {
		return err
	}
	if c.cred != nil {
		return os.Chown(c.Dir, int(c.cred.Uid), int(c.cred.Gid))
	}
	return nil
}

// parent is where the cluster's directory goes: dir if given, else the first
// of the usual places in which PostgreSQL can live.
func (c *Cluster) parent(dir string) (string, error) {
	candidates := []string{os.TempDir(), "/tmp", "/var/tmp"}
	switch {
	case dir != "":
		candidates = []string{dir}
	case c.memory && isRoomy(memoryDir):
		candidates = append([]string{memoryDir}, candidates...)
	}
	var errs []error
	for _, d := range candidates {
		d, err := filepath.Abs(d)
		if err == nil {
			err = c.canLiveIn(d)
		}
		if err == nil {
			return d, nil
		}
		errs = append(errs, err)
	}
	return "", errors.Join(errs...)
}

// memoryDir is Linux's file system in memory.
const memoryDir = "/dev/shm"

// isRoomy reports whether a file system has room for the clusters of all packages.
func isRoomy(dir string) bool {
	var s syscall.Statfs_t
	return syscall.Statfs(dir, &s) == nil && s.Bavail*uint64(s.Bsize) >= 8<<30
}

func (c *Cluster) canLiveIn(dir string) error {
	if len(dir)+len(socketName) > maxSocket {
		return fmt.Errorf("%s is too long for a unix socket in it", dir)
	}
	if c.cred == nil {
		return nil
	}
	for d := dir; ; d = filepath.Dir(d) {
		info, err := os.Stat(d)
		if err != nil {
			return err
		}
		if !mayEnter(c.cred, info) {
			return fmt.Errorf("%s cannot be entered by the user that PostgreSQL runs as (uid %d)", d, c.cred.Uid)
		}
		if d == filepath.Dir(d) {
			return nil
		}
	}
}

func mayEnter(u *syscall.Credential, dir fs.FileInfo) bool {
	own, ok := dir.Sys().(*syscall.Stat_t)
	switch mode := dir.Mode(); {
	case ok && own.Uid == u.Uid:
		return mode&0o100 != 0
	case ok && own.Gid == u.Gid:
		return mode&0o010 != 0
	default:
		return mode&0o001 != 0
	}
}

// sweep removes what killed processes left behind: directories whose lock
// nobody holds. Young ones are spared, whose owner may be about to take it.
func sweep(parent string) {
	locks, _ := filepath.Glob(filepath.Join(parent, dirPrefix+"*", "lock"))
	for _, name := range locks {
		if info, err := os.Stat(name); err != nil || time.Since(info.ModTime()) < time.Minute {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil {
			_ = os.RemoveAll(filepath.Dir(name)) // not ours to fail on
		}
		_ = f.Close()
	}
}
