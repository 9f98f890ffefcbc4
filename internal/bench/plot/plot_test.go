package plot

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
)

func chart(points ...Point) Chart {
	return Chart{Title: "A & B", X: "rows <n>", Y: "ms", Lines: []Line{{"rowback", points}, {"direct", []Point{{1, 1}}}}}
}

func TestSVG_IsWellFormed(t *testing.T) {
	svg, err := SVG(chart(Point{1, 0.5}, Point{1000, 70}))
	if err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatalf("%v\n%s", err, svg)
		}
	}
	for _, want := range []string{"A &amp; B", "rows &lt;n&gt;", ">1k<", `points="70.0,`, "rowback: 1k, 70"} {
		if !strings.Contains(svg, want) {
			t.Errorf("%s is not in\n%s", want, svg)
		}
	}
	if n := strings.Count(svg, "<polyline"); n != 2 {
		t.Errorf("%d lines", n)
	}
}

func TestSVG_RefusesWhatHasNoLogarithm(t *testing.T) {
	for _, p := range []Point{{0, 1}, {1, 0}, {-1, 1}, {1, math.Inf(1)}, {1, math.NaN()}} {
		if _, err := SVG(chart(p)); !errors.Is(err, ErrUndrawable) {
			t.Errorf("%v: %v", p, err)
		}
	}
	if _, err := SVG(Chart{}); !errors.Is(err, ErrUndrawable) {
		t.Errorf("no points: %v", err)
	}
}

func TestAxis_EndsAtRoundValues(t *testing.T) {
	for _, c := range []struct {
		values    []float64
		low, high float64
		ticks     []float64
	}{
		{[]float64{1, 1000}, 1, 1000, []float64{1, 10, 100, 1000}},
		{[]float64{3, 17}, 2, 20, []float64{2, 5, 10, 20}},
		{[]float64{5}, 5, 10, []float64{5, 10}},
		{[]float64{0.04, 0.11}, 0.02, 0.2, []float64{0.02, 0.05, 0.1, 0.2}},
	} {
		a := newAxis(c.values, 0, 100)
		near := func(x, y float64) bool { return math.Abs(x-y) < 1e-9*y }
		if !near(a.low, c.low) || !near(a.high, c.high) || !slices.EqualFunc(a.ticks(), c.ticks, near) {
			t.Errorf("%v: %v to %v, ticks %v", c.values, a.low, a.high, a.ticks())
		}
		if a.at(a.low) != 0 || a.at(a.high) != 100 {
			t.Errorf("%v: %v to %v", c.values, a.at(a.low), a.at(a.high))
		}
	}
}
