package main

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	const machine = "MemTotal:        8388608 kB\nMemFree: 1 kB\n"
	for name, c := range map[string]struct {
		files    map[string]string
		runtimes int64
		want     int64
	}{
		"unknown":          {nil, math.MaxInt64, 2 << 30},
		"the machine's":    {map[string]string{"proc/meminfo": machine}, math.MaxInt64, 4 << 30},
		"GOMEMLIMIT":       {map[string]string{"proc/meminfo": machine}, 1 << 30, 768 << 20},
		"a cgroup without": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"}, math.MaxInt64, 4 << 30},
		"its cgroup's": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "max\n",
			"sys/fs/cgroup/a/memory.max": "1073741824\n"}, math.MaxInt64, 768 << 20},
		"a container's, seen from within": {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n"}, math.MaxInt64, 384 << 20},
		"version 1":                       {map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "3:cpu:/x\n2:memory:/x\n", "sys/fs/cgroup/memory/x/memory.limit_in_bytes": "1073741824\n"}, math.MaxInt64, 768 << 20},
		"too little":                      {map[string]string{"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "1000\n"}, math.MaxInt64, leastMemory},
	} {
		root := t.TempDir()
		for file, text := range c.files {
			path := filepath.Join(root, file)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if got := memoryLimit(root, c.runtimes); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// A max-memory that the machine has not got is said, and what it has.
func TestMemory_MoreThanThereIs(t *testing.T) {
	root := t.TempDir()
	if overMemory(root, 900<<30) != "" {
		t.Error("of a machine that does not say")
	}
	if err := os.Mkdir(filepath.Join(root, "proc"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "proc/meminfo"), []byte("MemTotal:        8388608 kB\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for limit, want := range map[int64]string{900 << 30: "8192MiB", 8 << 30: "", leastMemory: ""} {
		if got := overMemory(root, limit); got != want {
			t.Errorf("%d: %q, want %q", limit, got, want)
		}
	}
}
