package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// hasProc reports whether /proc says what processes use.
func hasProc() bool {
	_, err := memory(os.Getpid(), "VmRSS")
	return err == nil
}

// memory is a figure of /proc/PID/status, bytes: VmRSS, or VmHWM, its greatest.
func memory(pid int, which string) (int64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), which+":")
	fields := strings.Fields(rest)
	if len(fields) == 0 {
		return 0, fmt.Errorf("/proc has no %s", which)
	}
	n, err := strconv.ParseInt(fields[0], 10, 64)
	return n << 10, err
}

// peak is how much memory a process takes above what it has at first.
type peak struct {
	pid  int
	idle int64
}

func newPeak(pid int) *peak { return &peak{pid: pid} }

// begin notes what it has, and has the kernel forget what it had (proc(5), clear_refs).
func (p *peak) begin() (err error) {
	if !hasProc() {
		return nil
	}
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", p.pid), []byte("5"), 0); err != nil {
		return err
	}
	p.idle, err = memory(p.pid, "VmRSS")
	return err
}

// above is in MiB; 0 without /proc.
func (p *peak) above() (float64, error) {
	if !hasProc() {
		return 0, nil
	}
	most, err := memory(p.pid, "VmHWM")
	return float64(most-p.idle) / (1 << 20), err
}
