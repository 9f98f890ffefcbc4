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

const legend = "rate: rowback's rate to its peer's; time: its time to its peer's; cpu: its proxy's processor time for each to the peer's; growth: to what it takes with fewer rows; else a unit. " +
	"min, median, max: of the rounds; a target is met by the median."

func (t *table) heading(o options) {
	fmt.Fprintf(t.w, "%d rounds, both sides in each, %d s a side where it is a matter of time; %s/%s, %d cores.\n%s\n\n",
		o.rounds, o.seconds, runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), legend)
	fmt.Fprintf(t.w, "%-48s %-18s %10s %10s %-4s  %7s %7s %7s %-6s  %9s %9s  %-8s %-6s %s\n",
		"", "peer", "peer", "rowback", "", "min", "median", "max", "", "peer cpu", "cpu", "target", "", "took")
}

func (t *table) row(r result) {
	if r.Problem != "" {
		fmt.Fprintf(t.w, "%-48s not measured: %s\n", r.Name, r.Problem)
		return
	}
	took := ""
	if r.Took > 0 {
		took = fmt.Sprintf("%.0f s", r.Took)
	}
	peers := amount(r.Peers)
	if r.Peer == "" {
		peers = ""
	}
	fmt.Fprintf(t.w, "%-48s %-18s %10s %10s %-4s  %7s %7s %7s %-6s  %9s %9s  %-8s %-6s %s\n",
		r.Name, r.Peer, peers, amount(r.Ours), r.Unit, figure(r.Min), figure(r.Median), figure(r.Max), r.Figure, cpu(r.PeersCPU), cpu(r.OursCPU), r.Target, r.verdict(), took)
}

// figure has two digits where a ratio needs them.
func figure(x float64) string {
	if x > -1000 && x < 1000 {
		return fmt.Sprintf("%.2f", x)
	}
	return amount(x)
}

func cpu(µs float64) string {
	if µs == 0 {
		return ""
	}
	return amount(µs) + " µs"
}

func (t *table) ending(results []result, took time.Duration) {
	met, missed := 0, 0
	for _, r := range results {
		switch r.verdict() {
		case "met":
			met++
		case "missed":
			missed++
		}
	}
	fmt.Fprintf(t.w, "\n%d targets met, %d missed. %.0f seconds in all.\n", met, missed, took.Seconds())
}
