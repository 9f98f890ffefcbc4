package graph

import (
	"bufio"
	"cmp"
	"encoding/xml"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

const margin = 24.0

// WriteSVG draws the graph: parents above, arrows to the parent, red and thick
// where a deletion cascades, dashed where it cuts the link.
func (g *Graph) WriteSVG(w io.Writer) error {
	parts := g.parts()
	where, width, height := pack(parts)
	top := margin
	if g.title() != "" {
		top += 30
	}
	notes := float64(len(g.Notes)) * 16
	width = max(width, 560) + 2*margin
	height += top + 44 + notes + margin
	s := &svg{out: bufio.NewWriter(w)}
	s.f(`<svg xmlns="http://www.w3.org/2000/svg" width="%.0f" height="%.0f" viewBox="0 0 %.0f %.0f" font-family="'DejaVu Sans Mono', Menlo, Consolas, 'Liberation Mono', monospace">`+"\n", width, height, width, height)
	s.f("<title>%s</title>\n", escape(cmp.Or(g.title(), "Foreign keys")))
	s.f(`<rect width="100%%" height="100%%" fill="#ffffff"/>` + "\n<defs>\n")
	for _, l := range lines {
		s.f(`<marker id="%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto"><path d="M0,0 L10,5 L0,10 z" fill="%s"/></marker>`+"\n", l.class, l.colour)
	}
	s.f("</defs>\n")
	if g.title() != "" {
		s.text(margin, margin+14, 15, "start", "#1f2328", "bold", g.title())
	}
	for i, d := range parts {
		s.f(`<g transform="translate(%.1f,%.1f)">`+"\n", margin+where[i][0], top+where[i][1])
		s.drawing(g, d)
		s.f("</g>\n")
	}
	s.legend(g, margin, height-margin-notes-6)
	for i, n := range g.Notes {
		s.text(margin, height-margin-notes+float64(i+1)*16-2, lineSize, "start", "#57606a", "normal", "Note: "+n)
	}
	s.f("</svg>\n")
	return s.out.Flush()
}

// pack puts the parts on shelves, the tall ones first.
func pack(parts []*drawing) (where [][2]float64, w, h float64) {
	const gap = 40.0
	area, widest := 0.0, 0.0
	for _, d := range parts {
		area += (d.w + gap) * (d.h + gap)
		widest = max(widest, d.w)
	}
	limit := max(widest, 1.5*math.Sqrt(area))
	order := make([]int, len(parts))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(parts[b].h, parts[a].h) })
	where = make([][2]float64, len(parts))
	x, y, shelf := 0.0, 0.0, 0.0
	for _, i := range order {
		d := parts[i]
		if x > 0 && x+d.w > limit {
			x, y, shelf = 0, y+shelf+gap, 0
		}
		where[i] = [2]float64{x, y}
		x += d.w + gap
		shelf = max(shelf, d.h)
		w, h = max(w, x-gap), max(h, y+d.h)
	}
	return where, w, h
}

// line is how a kind of foreign key is drawn.
type line struct{ class, colour, width, dash, says string }

var lines = []line{
	{"cascade", "#cf222e", "2.4", "", "CASCADE: children go too"},
	{"cut", "#9a6700", "1.5", "5,4", "SET NULL / DEFAULT: link is cut"},
	{"keep", "#8c959f", "1.2", "", "NO ACTION / RESTRICT: refused"},
}

func (k *Key) line() line {
	switch {
	case k.action() == "CASCADE":
		return lines[0]
	case k.cuts():
		return lines[1]
	}
	return lines[2]
}

type svg struct{ out *bufio.Writer }

func (s *svg) f(format string, args ...any) { fmt.Fprintf(s.out, format, args...) }

func (s *svg) text(x, y, size float64, anchor, colour, weight, text string) {
	s.f(`<text x="%.1f" y="%.1f" font-size="%.1f" text-anchor="%s" fill="%s" font-weight="%s">%s</text>`+"\n", x, y, size, anchor, colour, weight, escape(text))
}

func (s *svg) path(k *Key, d string) {
	l := k.line()
	dash := ""
	if l.dash != "" {
		dash = fmt.Sprintf(` stroke-dasharray="%s"`, l.dash)
	}
	s.f(`<path class="%s" d="%s" fill="none" stroke="%s" stroke-width="%s"%s marker-end="url(#%s)"><title>%s</title></path>`+"\n",
		l.class, d, l.colour, l.width, dash, l.class, escape(k.Name))
}

func (s *svg) drawing(g *Graph, d *drawing) {
	ports := d.ports()
	for _, c := range d.chains {
		s.path(c.key, c.curve(ports))
	}
	for _, l := range d.layers {
		for _, b := range l {
			switch {
			case b.table != nil:
				s.table(g, b)
				s.loops(b, d.loops[b.table])
			case b.label:
				s.f(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" fill="#ffffff"/>`+"\n", b.x-b.w/2, b.y, b.w, b.h)
				s.label(b.x, b.y+labelSize+1, "middle", b.key)
			}
		}
	}
}

func (s *svg) label(x, y float64, anchor string, k *Key) {
	s.text(x, y, labelSize, anchor, "#1f2328", "normal", k.columns())
	s.text(x, y+labelSize+3, labelSize, anchor, k.line().colour, "bold", k.action())
}

func (s *svg) table(g *Graph, b *box) {
	fill, stroke := "#f6f8fa", "#57606a"
	switch {
	case b.table.Removed > 0:
		fill, stroke = "#ffebe9", "#cf222e"
	case b.table.Cut > 0:
		fill, stroke = "#fff8c5", "#9a6700"
	case b.table.Asked:
		fill, stroke = "#ddf4ff", "#0969da"
	}
	x := b.middle()
	s.f(`<rect x="%.1f" y="%.1f" width="%.1f" height="%.1f" rx="6" fill="%s" stroke="%s" stroke-width="1.2"/>`+"\n", x-b.body/2, b.y, b.body, b.h, fill, stroke)
	about := g.about(b.table)
	y := b.y + (b.h-float64(len(about))*(lineSize+4)-nameSize)/2 + nameSize - 2
	s.text(x, y, nameSize, "middle", "#1f2328", "bold", b.table.Display())
	marks := len(about) - len(g.marks(b.table))
	for i, text := range about {
		y += lineSize + 4
		colour, weight := "#57606a", "normal"
		if i >= marks {
			colour, weight = stroke, "bold"
		}
		s.text(x, y, lineSize, "middle", colour, weight, text)
	}
}

// loops draws a table's foreign keys to itself, on its right.
func (s *svg) loops(b *box, keys []*Key) {
	right := b.middle() + b.body/2
	step := b.h / float64(len(keys)+1)
	for i, k := range keys {
		y := b.y + float64(i+1)*step
		s.path(k, fmt.Sprintf("M%.1f,%.1f C%.1f,%.1f %.1f,%.1f %.1f,%.1f", right, y+7, right+30, y+14, right+30, y-14, right+1, y-7))
		s.label(right+loopRoom-6, y-1, "start", k)
	}
}

func (s *svg) legend(g *Graph, x, y float64) {
	for _, l := range lines {
		if !slices.ContainsFunc(g.Keys, func(k *Key) bool { return k.line() == l }) {
			continue
		}
		dash := ""
		if l.dash != "" {
			dash = fmt.Sprintf(` stroke-dasharray="%s"`, l.dash)
		}
		s.f(`<path d="M%.1f,%.1f h30" stroke="%s" stroke-width="%s"%s marker-end="url(#%s)"/>`+"\n", x, y-4, l.colour, l.width, dash, l.class)
		s.text(x+38, y, lineSize, "start", "#57606a", "normal", l.says)
		x += 38 + width(l.says, lineSize) + 24
	}
}

// ports are where lines meet a table's edge, apart and in the order in which
// they go on.
func (d *drawing) ports() map[*box]map[*Key]float64 {
	type end struct {
		key   *Key
		table *box
		toX   float64
	}
	sides := map[*box]*[2][]end{}
	add := func(t *box, side int, k *Key, next *box) {
		if sides[t] == nil {
			sides[t] = &[2][]end{}
		}
		sides[t][side] = append(sides[t][side], end{k, t, next.middle()})
	}
	for _, c := range d.chains {
		n := len(c.boxes)
		add(c.boxes[0], 1, c.key, c.boxes[1])
		add(c.boxes[n-1], 0, c.key, c.boxes[n-2])
	}
	out := map[*box]map[*Key]float64{}
	for t, both := range sides {
		out[t] = map[*Key]float64{}
		for _, ends := range both {
			slices.SortStableFunc(ends, func(a, b end) int { return cmp.Compare(a.toX, b.toX) })
			for i, e := range ends {
				out[t][e.key] = t.middle() - t.body/2 + t.body*float64(i+1)/float64(len(ends)+1)
			}
		}
	}
	return out
}

// curve leads from the child to the parent, wherever they lie.
func (c chain) curve(ports map[*box]map[*Key]float64) string {
	var points [][2]float64
	for i, b := range c.boxes {
		x := b.x
		if b.table != nil {
			x = ports[b][c.key]
		}
		if i > 0 {
			points = append(points, [2]float64{x, b.y})
		}
		if i < len(c.boxes)-1 {
			points = append(points, [2]float64{x, b.y + b.h})
		}
	}
	if c.boxes[len(c.boxes)-1].table == c.key.Child {
		slices.Reverse(points)
	}
	var out strings.Builder
	fmt.Fprintf(&out, "M%.1f,%.1f", points[0][0], points[0][1])
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		middle := (a[1] + b[1]) / 2
		fmt.Fprintf(&out, " C%.1f,%.1f %.1f,%.1f %.1f,%.1f", a[0], middle, b[0], middle, b[0], b[1])
	}
	return out.String()
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder takes everything
	return b.String()
}
