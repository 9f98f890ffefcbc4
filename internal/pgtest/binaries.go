package pgtest

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// ErrNoPostgreSQL: the server's binaries are not on this machine.
var ErrNoPostgreSQL = errors.New("PostgreSQL's server binaries were not found: install them (Debian, Ubuntu: apt-get install postgresql), or set PGBIN to the directory that holds initdb and postgres")

// FindBinaries returns the directory of PostgreSQL's server binaries: $PGBIN,
// else the newest of Debian's, else where pg_config or PATH point.
func FindBinaries() (string, error) {
	dirs := append([]string{os.Getenv("PGBIN")}, debianDirs()...)
	if out, err := exec.Command("pg_config", "--bindir").Output(); err == nil {
		dirs = append(dirs, string(bytes.TrimSpace(out)))
	}
	for _, d := range append(dirs, filepath.SplitList(os.Getenv("PATH"))...) {
		if d != "" && exists(filepath.Join(d, "initdb")) && exists(filepath.Join(d, "postgres")) {
			return d, nil
		}
	}
	return "", ErrNoPostgreSQL
}

// debianDirs are the directories of Debian's packages, newest version first.
func debianDirs() []string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	version := func(dir string) int {
		n, _ := strconv.Atoi(strings.Split(dir, "/")[4])
		return n
	}
	slices.SortFunc(dirs, func(a, b string) int { return version(b) - version(a) })
	return dirs
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}
