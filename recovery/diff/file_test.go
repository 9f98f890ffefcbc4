package diff

import (
	"os"
	"path/filepath"
	"testing"
)

// The keys go where the link leads, and a device is left alone.
func TestRun_OutIsALinkOrADevice(t *testing.T) {
	l := newLab(t, "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)")
	l.exec("DELETE FROM t")
	target := filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(target, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, l.out); err != nil {
		t.Fatal(err)
	}
	l.diff(Options{})
	if info, err := os.Lstat(l.out); err != nil || info.Mode()&os.ModeSymlink == 0 || l.keys("lost") != "map[id:1]" {
		t.Errorf("%v, %v, %q", info, err, l.keys("lost"))
	}
	if _, err := Run(t.Context(), Options{Production: l.production, Recovery: l.recovery, Out: os.DevNull}); err == nil {
		t.Error("a device is replaced")
	}
}
