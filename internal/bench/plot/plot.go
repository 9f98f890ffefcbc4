package plot

import (
	"errors"
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
)

// Chart is one picture. All numbers are above zero.
type Chart struct {
	Title string
	X, Y  string // what the axes show, with the unit
	Lines []Line
}

// Line is one line of a chart, its points in order.
type Line struct {
	Name   string  `json:"name"`
	Points []Point `json:"points"`
}

// Point of a line.
type Point struct {
	X float64 `json:"x"`
	Y float64 `json:"y"`
}

// The picture's size, and where in it the axes are, in pixels.
const (
	width, height            = 620, 360
	left, right, top, bottom = 70, 600, 40, 300
)

var colours = []string{"#0969da", "#cf222e", "#1a7f37", "#8250df"}

// ErrUndrawable: there is no point, or one that a logarithm does not have.
var ErrUndrawable = errors.New("plot: a chart needs points, all above zero")

// SVG draws a chart.
func SVG(c Chart) (string, error) {
	var xs, ys []float64
	for _, l := range c.Lines {
		for _, p := range l.Points {
			if !(p.X > 0 && p.Y > 0) || math.IsInf(p.X+p.Y, 0) {
				return "", fmt.Errorf("%w: %v", ErrUndrawable, p)
			}
			xs, ys = append(xs, p.X), append(ys, p.Y)
		}
	}
	if len(xs) == 0 {
		return "", ErrUndrawable
	}
	x, y := newAxis(xs, left, right), newAxis(ys, bottom, top)
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %[1]d %[2]d" role="img" font-family="system-ui,sans-serif" font-size="12">`, width, height)
	text := func(x, y float64, anchor, style, s string) {
		fmt.Fprintf(&b, `<text x="%.1f" y="%.1f" text-anchor="%s"%s>%s</text>`, x, y, anchor, style, html.EscapeString(s))
	}
	text(left, 16, "start", ` font-size="15" font-weight="bold"`, c.Title)
	for _, t := range x.ticks() {
		fmt.Fprintf(&b, `<path d="M%.1f %dV%d" stroke="#d0d7de"/>`, x.at(t), top, bottom)
		text(x.at(t), bottom+18, "middle", "", short(t))
	}
	for _, t := range y.ticks() {
		fmt.Fprintf(&b, `<path d="M%d %.1fH%d" stroke="#d0d7de"/>`, left, y.at(t), right)
		text(left-8, y.at(t)+4, "end", "", short(t))
	}
	text((left+right)/2, bottom+40, "middle", "", c.X)
	text(left, top-8, "end", "", c.Y)
	for i, l := range c.Lines {
		colour := colours[i%len(colours)]
		var points []string
		for _, p := range l.Points {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x.at(p.X), y.at(p.Y)))
			fmt.Fprintf(&b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"><title>%s: %s, %s</title></circle>`,
				x.at(p.X), y.at(p.Y), colour, html.EscapeString(l.Name), short(p.X), short(p.Y))
		}
		fmt.Fprintf(&b, `<polyline points="%s" fill="none" stroke="%s" stroke-width="2"/>`, strings.Join(points, " "), colour)
		text(left+12, top+18+float64(16*i), "start", ` font-weight="bold" fill="`+colour+`"`, l.Name)
	}
	b.WriteString("</svg>")
	return b.String(), nil
}

// short prints a number in three digits, with k or M.
func short(v float64) string {
	switch {
	case v >= 1e6:
		return strconv.FormatFloat(v/1e6, 'g', 3, 64) + "M"
	case v >= 1e3:
		return strconv.FormatFloat(v/1e3, 'g', 3, 64) + "k"
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}
