package main

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/rowback/rowback/internal/budget"
)

// leastMemory is what a proxy with few sessions needs.
const leastMemory = 64 << 20

// unknownMemory stands for a machine that does not say how much it has.
const unknownMemory = 2 << 30

func checkMemory(text string) error {
	n, err := parseSize(text)
	if err == nil && text != "" && n < leastMemory {
		err = fmt.Errorf("%s is less than 64MiB", text)
	}
	return err
}

// memory makes the budget of the settings, which are valid, and has the runtime collect
// garbage in time: a third of max-memory is the budget, the rest is for copies, what the
// budget does not cover, and garbage. GOMEMLIMIT is the user's own word on that.
func (s *settings) memory() *budget.Budget {
	limit, _ := parseSize(s.MaxMemory)
	if limit == 0 {
		limit = memoryLimit("/", debug.SetMemoryLimit(-1))
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(limit)
	}
	return budget.New(limit / 3)
}

// memoryLimit is half of the machine's memory, or three quarters of what this process's
// cgroup or the runtime's limit allow, if that is less. root is where /proc and /sys are.
func memoryLimit(root string, runtimes int64) int64 {
	limit := int64(unknownMemory)
	if n := totalMemory(filepath.Join(root, "proc/meminfo")); n > 0 {
		limit = n / 2
	}
	for _, of := range []int64{cgroupMemory(root), runtimes} {
		if of > 0 && of < math.MaxInt64 {
			limit = min(limit, of/4*3)
		}
	}
	return max(limit, leastMemory)
}

// overMemory is overMemory of the settings, which are valid.
func (s *settings) overMemory() string {
	limit, _ := parseSize(s.MaxMemory)
	return overMemory("/", limit)
}

// overMemory is what memory there is, of the machine or its cgroup, where limit is more than
// that; "" if it is not, or nobody says.
func overMemory(root string, limit int64) string {
	there := totalMemory(filepath.Join(root, "proc/meminfo"))
	if of := cgroupMemory(root); of > 0 && (there == 0 || of < there) {
		there = of
	}
	if there == 0 || limit <= there {
		return ""
	}
	return fmt.Sprintf("%dMiB", there>>20)
}

// totalMemory is the machine's, in bytes; 0: unknown.
func totalMemory(file string) int64 {
	f, err := os.Open(file)
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 && fields[0] == "MemTotal:" {
			n, _ := strconv.ParseInt(fields[1], 10, 64)
			return n << 10
		}
	}
	return 0
}

// cgroupMemory is the least limit of the process's cgroup (version 2 or 1) and those that
// it is in; 0: none.
func cgroupMemory(root string) int64 {
	text, err := os.ReadFile(filepath.Join(root, "proc/self/cgroup"))
	if err != nil {
		return 0
	}
	least := int64(0)
	for line := range strings.Lines(string(text)) {
		id := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(id) < 3 {
			continue
		}
		dir, file := filepath.Join(root, "sys/fs/cgroup"), "memory.max"
		if id[1] == "memory" {
			dir, file = filepath.Join(dir, "memory"), "memory.limit_in_bytes"
		} else if id[1] != "" {
			continue
		}
		for path := filepath.Clean("/" + id[2]); ; path = filepath.Dir(path) {
			text, err := os.ReadFile(filepath.Join(dir, path, file))
			if err == nil {
				if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 && (least == 0 || n < least) {
					least = n
				}
			}
			if path == "/" {
				break
			}
		}
	}
	return least
}
