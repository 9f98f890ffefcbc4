package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/bench/plot"
)

var (
	aResult = (result{Name: "SELECT <by key>", Peer: "pgbouncer", Unit: "/s", Peers: 100, Ours: 90, Figure: rateRatio}).figures([]float64{0.9}, atLeast(1))
	aCurve  = curve{Name: "Statements", X: "bytes", Y: "µs", Lines: []plot.Line{{Name: "rowback", Points: []plot.Point{{X: 1, Y: 2}, {X: 10, Y: 3}}}}}
)

func aReport() *report {
	return &report{Date: time.Date(2026, 11, 26, 13, 0, 0, 0, time.UTC), Commit: "abc", Machine: machine{CPU: "a CPU", Cores: 2}, Rounds: 3, Seconds: 2}
}

func TestReport_CurvesJoinTheResultsOfTheSameCommit(t *testing.T) {
	dir := t.TempDir()
	r := aReport()
	r.Results = []result{aResult, {Name: "other", Problem: "it failed"}}
	if err := r.write(dir); err != nil {
		t.Fatal(err)
	}
	c := aReport()
	c.Rounds, c.Curves = 1, []curve{aCurve, {Name: "Journal", Problem: "it failed, too"}}
	if err := c.write(filepath.Join(dir, "2026-11-26-abc.json")); err != nil {
		t.Fatal(err)
	}
	html, err := os.ReadFile(filepath.Join(dir, "2026-11-26-abc.html"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"SELECT &lt;by key&gt;", "≥ 1.00", ">missed<", "it failed", "<svg", "Journal: it failed, too", "3 rounds"} {
		if !strings.Contains(string(html), want) {
			t.Errorf("%q is not in the page", want)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "2026-11-26-abc.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back report
	if err := json.Unmarshal(text, &back); err != nil || len(back.Results) != 2 || len(back.Curves) != 2 {
		t.Errorf("%+v, %v", back, err)
	}
}

func TestReport_OfAnotherCommitIsReplaced(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report")
	old := aReport()
	old.Results = []result{aResult}
	if err := old.write(file); err != nil {
		t.Fatal(err)
	}
	r := aReport()
	r.Commit, r.Curves = "def", []curve{aCurve}
	if err := r.write(file); err != nil {
		t.Fatal(err)
	}
	if len(r.Results) != 0 {
		t.Errorf("%+v", r.Results)
	}
}

func TestReport_LeavesAloneWhatIsNone(t *testing.T) {
	file := filepath.Join(t.TempDir(), "other.json")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := aReport().write(file); err == nil {
		t.Error("it was written over")
	}
}
