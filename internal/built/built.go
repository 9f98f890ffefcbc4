// Package built builds rowback for tests that run it as a process.
package built

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Program builds rowback from this tree into dir and returns its path; flags are more of
// go build's.
//
// It looks at every source file, so that go test, which keeps what passed, knows
// that the outcome hangs on them and not on the test's own imports alone. Call it
// in a test: what TestMain looks at go test does not notice.
func Program(ctx context.Context, dir string, flags ...string) (string, error) {
	root, err := module()
	if err != nil {
		return "", err
	}
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != root && strings.HasPrefix(d.Name(), "."):
			return fs.SkipDir
		case !d.IsDir() && filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go"):
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	args := append([]string{"build", "-buildvcs=false", "-o", dir}, flags...)
	out, err := exec.CommandContext(ctx, "go", append(args, "github.com/rowback/rowback/cmd/rowback")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return filepath.Join(dir, "rowback"), nil
}

// module is the directory of the go.mod that is in force here.
func module() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", errors.New("there is no go.mod above the working directory")
		}
	}
}
