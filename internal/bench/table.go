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
	fmt.Fprintf(t.w, "ratio: rowback's rate to its peer's (1.00: as fast). cpu: the proxy's processor time for each, the peer's and rowback's.\n\n")
	fmt.Fprintf(t.w, "%-38s %-14s %10s %10s   %5s %5s %5s   %9s %9s\n", "", "peer", "peer/s", "rowback/s", "min", "ratio", "max", "peer cpu", "cpu")
}

func (t *table) row(b *bench) {
	r := b.ratios()
	fmt.Fprintf(t.w, "%-38s %-14s %10.0f %10.0f   %5.2f %5.2f %5.2f   %9s %9s\n",
		b.name, b.peer, rate(b.peers), rate(b.ours), r[0], r[len(r)/2], r[len(r)-1], cpu(b.peersCPU, b.peers), cpu(b.oursCPU, b.ours))
}

func cpu(used time.Duration, samples []sample) string {
	if used == 0 {
		return "-"
	}
	return fmt.Sprintf("%.1f µs", float64(each(used, samples))/float64(time.Microsecond))
}

func (t *table) ending(took time.Duration) {
	fmt.Fprintf(t.w, "\n%.0f seconds in all.\n", took.Seconds())
}
