package main

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// readLog reads pgbench's log of a run with --rate: client, transaction, time,
// script, seconds, microseconds, lag. Times are in µs; the lag, by which it was
// late to begin, is a part of the time and is taken off. What ended in the first
// skip seconds is left out.
func readLog(r io.Reader, skip int64) (took []float64, err error) {
	from := int64(-1)
	for lines := bufio.NewScanner(r); ; {
		if !lines.Scan() {
			return took, lines.Err()
		}
		fields := strings.Fields(lines.Text())
		if len(fields) < 7 {
			return nil, fmt.Errorf("pgbench's log: %q", lines.Text())
		}
		time, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			return nil, fmt.Errorf("pgbench's log: %w", err) // failed, skipped
		}
		lag, err := strconv.ParseFloat(fields[6], 64)
		if err != nil {
			return nil, fmt.Errorf("pgbench's log: %w", err)
		}
		second, err := strconv.ParseInt(fields[4], 10, 64)
		if err != nil {
			return nil, fmt.Errorf("pgbench's log: %w", err)
		}
		if from < 0 {
			from = second + skip
		}
		if second >= from {
			took = append(took, time-lag)
		}
	}
}

// percentile is the least value that so large a share of all (0 to 1) does not exceed.
func percentile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	i := int(math.Ceil(share*float64(len(sorted)))) - 1
	return sorted[min(max(i, 0), len(sorted)-1)]
}
