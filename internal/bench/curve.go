package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/rowback/rowback/internal/bench/plot"
)

// curve is how a cost grows with something.
type curve struct {
	Name  string      `json:"name"`
	Note  string      `json:"note"` // how it was measured
	X     string      `json:"x"`
	Y     string      `json:"y"`
	Lines []plot.Line `json:"lines,omitempty"`
	// Problem is why there is no curve.
	Problem string `json:"problem,omitempty"`
}

func (c curve) chart() plot.Chart { return plot.Chart{Title: c.Name, X: c.X, Y: c.Y, Lines: c.Lines} }

// add adds a point to a line, which begins with it.
func (c *curve) add(line string, x, y float64) {
	i := slices.IndexFunc(c.Lines, func(l plot.Line) bool { return l.Name == line })
	if i < 0 {
		i = len(c.Lines)
		c.Lines = append(c.Lines, plot.Line{Name: line})
	}
	c.Lines[i].Points = append(c.Lines[i].Points, plot.Point{X: x, Y: y})
}

// growth is a curve to be measured.
type growth struct {
	curve
	measure func(ctx context.Context, c *curve) error
}

func (g *growth) title() string { return g.Name }

func (g *growth) run(ctx context.Context, _ *lab) ([]result, error) {
	return nil, g.measure(ctx, &g.curve)
}

// draw measures all curves, and prints their points.
func (l *lab) draw(ctx context.Context, into *report) error {
	into.Curves = nil
	all := []*growth{sessionsCurve(l), textCurve(l), widthCurve(l), depthCurve(l), catalogCurve(l), journalCurve(l)}
	var works []work
	for _, g := range all {
		works = append(works, g)
	}
	err := l.each(ctx, works, func(w work) error {
		_, err := w.run(ctx, l)
		g := w.(*bounded).work.(*growth)
		if err != nil {
			g.Problem = l.inWords(err)
		}
		g.print()
		into.Curves = append(into.Curves, g.curve)
		return err
	})
	fmt.Printf("\n%.0f seconds in all.\n", time.Since(l.begun).Seconds())
	return err
}

func (c curve) print() {
	fmt.Printf("\n%s (%s over %s)\n", c.Name, c.Y, c.X)
	if c.Problem != "" {
		fmt.Printf("  not measured: %s\n", c.Problem)
	}
	for _, l := range c.Lines {
		fmt.Printf("  %-32s", l.Name)
		for _, p := range l.Points {
			fmt.Printf("  %s: %s", amount(p.X), amount(p.Y))
		}
		fmt.Println()
	}
}
