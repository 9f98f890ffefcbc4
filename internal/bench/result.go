package main

import (
	"slices"
	"strconv"
)

// What the figure of a result can be, beside an amount in a unit of its own.
const (
	rateRatio   = "rate"   // our rate to the peer's
	timeRatio   = "time"   // our time to the peer's
	cpuRatio    = "cpu"    // our proxy's processor time for each to the peer's
	growthRatio = "growth" // ours at a larger size to ours at the least
)

// result is one line of the report.
type result struct {
	Name string `json:"name"`
	Peer string `json:"peer,omitempty"` // what it is compared with
	// Peers and Ours are the middle measurements, in Unit.
	Unit  string  `json:"unit,omitempty"`
	Peers float64 `json:"peers"`
	Ours  float64 `json:"ours"`
	// Figure says what the least, the middle and the greatest of all rounds are:
	// one of the ratios, or a unit. A target is met by the middle one.
	Figure string  `json:"figure"`
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	Max    float64 `json:"max"`
	// Processor time for each thing done, µs, of the peer's proxy and of ours; 0: not known.
	PeersCPU float64 `json:"peers_cpu_us,omitempty"`
	OursCPU  float64 `json:"ours_cpu_us,omitempty"`
	Target   string  `json:"target,omitempty"`
	Met      *bool   `json:"met,omitempty"`          // nil: no target, or not measured
	Took     float64 `json:"took_seconds,omitempty"` // the whole case, on its first line
	// Problem is why there are no figures.
	Problem string `json:"problem,omitempty"`
}

// figures sets the figures, one a round, and whether they reach the goal.
func (r result) figures(figures []float64, g goal) result {
	slices.Sort(figures)
	r.Min, r.Median, r.Max = figures[0], middle(figures), figures[len(figures)-1]
	r.Target = g.String()
	if g.sign != "" {
		met := g.met(r.Median)
		r.Met = &met
	}
	return r
}

// verdict is whether the target is met, for people.
func (r result) verdict() string {
	switch {
	case r.Problem != "":
		return "not measured"
	case r.Met == nil:
		return ""
	case *r.Met:
		return "met"
	}
	return "missed"
}

// amount prints a measurement with as many digits as it is worth.
func amount(x float64) string {
	digits := 0
	switch {
	case x == 0:
	case -10 < x && x < 10:
		digits = 2
	case -100 < x && x < 100:
		digits = 1
	}
	return strconv.FormatFloat(x, 'f', digits, 64)
}

// middle is the median; values stay in their order.
func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
