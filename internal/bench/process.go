package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// announcement is a proxy's stderr: it waits for the address in it.
type announcement struct {
	addr  chan string // buffered: 1
	early []byte      // what came before the address
	done  bool
}

func newAnnouncement() *announcement { return &announcement{addr: make(chan string, 1)} }

// Write implements io.Writer. What comes after the address is alerts: it is dropped.
func (a *announcement) Write(b []byte) (int, error) {
	if a.done {
		return len(b), nil
	}
	a.early = append(a.early, b...)
	if _, rest, ok := strings.Cut(string(a.early), "listening on "); ok {
		if addr, _, whole := strings.Cut(rest, "\n"); whole {
			a.done, a.early = true, nil
			a.addr <- addr
		}
	}
	return len(b), nil
}

// ticksPerSecond of /proc: sysconf(_SC_CLK_TCK), 100 on every Linux that Go runs on.
const ticksPerSecond = 100

// processorTime is what a process has used so far, 0 where /proc does not say.
// Fields 14 and 15 of proc(5)'s stat, counted behind the name in parentheses.
func processorTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text)[strings.LastIndexByte(string(text), ')')+1:])
	var ticks int64
	for _, f := range fields[11:13] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond
}
