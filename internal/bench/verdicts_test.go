package main

import (
	"strings"
	"testing"
)

const printed = `goos: linux
BenchmarkScan_Select-2   	 3000000	       120.5 ns/op	 440.0 MB/s	       0 B/op	       0 allocs/op
BenchmarkScan_Select-2   	 3000000	       100.5 ns/op	 440.0 MB/s	       0 B/op	       0 allocs/op
BenchmarkWants_Query-2   	 3000000	       410 ns/op	       0 B/op	       0 allocs/op
BenchmarkWants_Parse-2   	 3000000	       130 ns/op	       0 B/op	       0 allocs/op
BenchmarkWants_Bind      	 3000000	        13 ns/op	       0 B/op	       0 allocs/op
BenchmarkVerdict_CachedDelete-2 	 3000000	       900 ns/op	      32 B/op	       1 allocs/op
PASS
`

func TestReadBenchmarks(t *testing.T) {
	results, err := readBenchmarks([]byte(printed))
	if err != nil {
		t.Fatal(err)
	}
	verdicts := map[string]string{}
	for _, r := range results {
		verdicts[r.Name] = r.verdict()
	}
	for name, want := range map[string]string{
		"scan of a SELECT": "met", "verdict for a plain Query": "missed", "verdict for a plain Bind": "met",
		"verdict for a cached DELETE": "met", "verdict for a cached DELETE, allocations": "missed", "scan of a SELECT, allocations": "met",
	} {
		if verdicts[name] != want {
			t.Errorf("%s: %q, not %q", name, verdicts[name], want)
		}
	}
	if results[0].Min != 100.5 || results[0].Max != 120.5 {
		t.Errorf("%+v", results[0])
	}
}

func TestReadBenchmarks_MissesNone(t *testing.T) {
	if _, err := readBenchmarks([]byte(strings.ReplaceAll(printed, "CachedDelete", "Renamed"))); err == nil {
		t.Error("a benchmark that is gone was not missed")
	}
}
