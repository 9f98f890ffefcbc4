package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
)

// verdicts are what a verdict costs a statement, by the benchmarks of the packages
// themselves: nanoseconds, and allocations.
func verdicts(l *lab) []work {
	return []work{&other{"verdict for a statement", func(ctx context.Context) ([]result, error) {
		cmd := exec.CommandContext(ctx, goTool(), "test", "-buildvcs=false", "-run", "^$", "-bench", "Scan_Select|Wants|Verdict", "-count", strconv.Itoa(l.rounds), "-benchtime", "0.3s", "./sqlparse", "./guard")
		out, err := cmd.CombinedOutput()
		if err != nil {
			return nil, fmt.Errorf("go test: %w\n%s", err, out)
		}
		return readBenchmarks(out)
	}}}
}

// goTool is the go command that make uses.
func goTool() string {
	if name := os.Getenv("GO"); name != "" {
		return name
	}
	return "go"
}

// judging are the benchmarks that are reported, and what they are to reach.
var judging = []struct {
	benchmark, name string
	nanoseconds     float64
}{
	{"Scan_Select", "scan of a SELECT", 300},
	{"Wants_Query", "verdict for a plain Query", 300},
	{"Wants_Parse", "verdict for a plain Parse", 300},
	{"Wants_Bind", "verdict for a plain Bind", 300},
	{"Verdict_CachedDelete", "verdict for a cached DELETE", 2000},
}

var benchmarkLine = regexp.MustCompile(`(?m)^Benchmark(\w+?)(?:-\d+)?\s+\d+\s+([0-9.]+) ns/op(?:.*?\s(\d+) allocs/op)?`)

// readBenchmarks reads what `go test -bench` prints.
func readBenchmarks(out []byte) (results []result, err error) {
	times, allocations := map[string][]float64{}, map[string][]float64{}
	for _, m := range benchmarkLine.FindAllSubmatch(out, -1) {
		ns, err := strconv.ParseFloat(string(m[2]), 64)
		if err != nil {
			return nil, err
		}
		name := string(m[1])
		times[name] = append(times[name], ns)
		if len(m[3]) > 0 {
			n, err := strconv.ParseFloat(string(m[3]), 64)
			if err != nil {
				return nil, err
			}
			allocations[name] = append(allocations[name], n)
		}
	}
	for _, j := range judging {
		if len(times[j.benchmark]) == 0 {
			return nil, fmt.Errorf("go test has not run Benchmark%s:\n%s", j.benchmark, out)
		}
		r := result{Name: j.name, Unit: "ns", Ours: middle(times[j.benchmark]), Figure: "ns"}
		results = append(results, r.figures(times[j.benchmark], atMost(j.nanoseconds)))
		if counts := allocations[j.benchmark]; len(counts) > 0 {
			r := result{Name: j.name + ", allocations", Ours: middle(counts), Figure: "each"}
			results = append(results, r.figures(counts, atMost(0)))
		}
	}
	return results, nil
}
