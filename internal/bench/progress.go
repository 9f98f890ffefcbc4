package main

import (
	"bufio"
	"io"
	"math"
	"regexp"
	"strconv"
	"time"
)

// progressLine is one of pgbench's --progress: seconds since it began, and the
// rate since the line before.
var progressLine = regexp.MustCompile(`^progress: ([0-9.]+) s, ([0-9.]+) tps`)

// window is what pgbench does once it has worked for warming seconds, up to the
// last line.
type window struct {
	times func() (peer, ours time.Duration) // of the proxies so far

	last   float64 // the time of the line before, s
	worked float64 // before the window, s
	open   bool
	done   float64
	from   spent
	sample sample
}

// read takes in all lines.
func (w *window) read(r io.Reader) error {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		m := progressLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		at, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			return err
		}
		rate, err := strconv.ParseFloat(m[2], 64)
		if err != nil {
			return err
		}
		w.line(at, rate)
	}
	return lines.Err()
}

func (w *window) line(at, rate float64) {
	peer, ours := w.times()
	now := spent{peer, ours}
	switch {
	case w.open:
		w.done += rate * (at - w.last)
		w.sample = sample{int(math.Round(w.done)), w.sample.took + time.Duration((at-w.last)*float64(time.Second)), &spent{peer - w.from.peer, ours - w.from.ours}}
	case rate > 0:
		w.worked += at - w.last
		w.open, w.from = w.worked >= warming, now
	}
	w.last = at
}
