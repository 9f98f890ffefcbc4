package main

import (
	"os/exec"
	"testing"
	"time"
)

func TestScaled_GrowthIsToTheLeastSize(t *testing.T) {
	least, most := &scaled{rows: 1_000_000}, &scaled{rows: 10_000_000}
	for range 2 {
		least.add(2*time.Second, 40)
		most.add(30*time.Second, 44)
	}
	lines := most.growth("restore", least)
	if len(lines) != 2 {
		t.Fatalf("%+v", lines)
	}
	if r := lines[0]; r.Peers != 2 || r.Ours != 3 || r.Median != 1.5 || r.verdict() != "missed" {
		t.Errorf("time: %+v", r)
	}
	if r := lines[1]; r.Peers != 40 || r.Ours != 44 || r.Median != 1.1 || r.verdict() != "met" {
		t.Errorf("memory: %+v", r)
	}
}

func TestWatched_MemoryIsTheCommandsOwn(t *testing.T) {
	if !hasProc() {
		t.Skip("not run: this system has no /proc to read a process's memory from")
	}
	ours := make([]byte, 64<<20)
	for i := range ours {
		ours[i] = 1
	}
	peak, err := watched(exec.Command("sleep", "0.3"))
	if err != nil || peak <= 0 || peak > 32 {
		t.Errorf("%.1f MiB for sleep, beside %d MiB here, %v", peak, len(ours)>>20, err)
	}
	if _, err := watched(exec.Command("false")); err == nil {
		t.Error("a command that failed has not")
	}
}
