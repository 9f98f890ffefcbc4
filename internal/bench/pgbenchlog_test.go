package main

import (
	"slices"
	"strings"
	"testing"
)

func TestReadLog_TakesTheLagOff(t *testing.T) {
	took, err := readLog(strings.NewReader("0 1 250 0 1764160000 12 50\n3 1 1090 0 1764160000 900 1000\n"), 0)
	if err != nil || !slices.Equal(took, []float64{200, 90}) {
		t.Errorf("%v, %v", took, err)
	}
}

func TestReadLog_LeavesTheStartOut(t *testing.T) {
	took, err := readLog(strings.NewReader("0 1 900 0 1764160000 12 0\n0 1 300 0 1764160001 12 0\n0 1 200 0 1764160002 0 0\n0 1 100 0 1764160003 1 0\n"), 2)
	if err != nil || !slices.Equal(took, []float64{200, 100}) {
		t.Errorf("%v, %v", took, err)
	}
}

func TestReadLog_RefusesWhatHasNoLatency(t *testing.T) {
	for _, text := range []string{"0 1 250 0 1764160000 12\n", "0 1 skipped 0 1764160000 12 50\n", "0 1 failed 0 1764160000 12 50\n", "0 1 250 0 1764160000 12 x\n"} {
		if took, err := readLog(strings.NewReader(text), 0); err == nil {
			t.Errorf("%q: %v", text, took)
		}
	}
}

func TestPercentile(t *testing.T) {
	hundred := make([]float64, 100)
	for i := range hundred {
		hundred[i] = float64(100 - i)
	}
	for _, c := range []struct {
		values []float64
		share  float64
		want   float64
	}{
		{hundred, 0.50, 50}, {hundred, 0.99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
		{[]float64{7}, 0.99, 7}, {[]float64{2, 1}, 0.5, 1}, {[]float64{2, 1}, 0.99, 2},
	} {
		if got := percentile(c.values, c.share); got != c.want {
			t.Errorf("%v of %d: %v, not %v", c.share, len(c.values), got, c.want)
		}
	}
	if hundred[0] != 100 {
		t.Error("the values were sorted in their place")
	}
}
