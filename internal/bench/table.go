package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// table prints the results as they come.
type table struct{ w io.Writer }

func newTable(w io.Writer) *table { return &table{w} }

func (t *table) heading(o options) {
	fmt.Fprintf(t.w, "%d rounds, both sides in each, %d s a side where it is a matter of time; %s/%s, %d cores.\n",
		o.rounds, o.seconds, runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	fmt.Fprintf(t.w, "ratio: rowback's rate to its peer's (1.00: as fast). cpu: the proxy's processor time for each.\n\n")
	fmt.Fprintf(t.w, "%-38s %-14s %10s %10s   %5s %5s %5s   %8s\n", "", "peer", "peer/s", "rowback/s", "min", "ratio", "max", "cpu")
}

func (t *table) row(b *bench) {
	r := b.ratios()
	cpu := "-"
	if b.cpu > 0 {
		cpu = fmt.Sprintf("%.1f µs", float64(b.cpuEach())/float64(time.Microsecond))
	}
	fmt.Fprintf(t.w, "%-38s %-14s %10.0f %10.0f   %5.2f %5.2f %5.2f   %8s\n",
		b.name, b.peer, rate(b.direct), rate(b.ours), r[0], r[len(r)/2], r[len(r)-1], cpu)
}

func (t *table) ending(took time.Duration) {
	fmt.Fprintf(t.w, "\n%.0f seconds in all.\n", took.Seconds())
}
