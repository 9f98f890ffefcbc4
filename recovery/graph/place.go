package graph

const (
	gapX      = 26.0 // between boxes of a layer
	gapY      = 32.0 // between layers
	nameSize  = 12.0 // font sizes
	lineSize  = 10.5
	labelSize = 10.0
	loopRoom  = 34.0 // right of a table, for its loops
)

// width is that of text in a monospaced font.
func width(text string, size float64) float64 {
	n := 0.0
	for _, r := range text {
		n++
		if r >= 0x1100 { // most letters from here on are twice as wide
			n++
		}
	}
	return n * size * 0.605
}

func (g *Graph) tableBox(t *Table, loops []*Key) *box {
	b := &box{table: t, body: width(t.Display(), nameSize)}
	lines := g.about(t)
	for _, l := range lines {
		b.body = max(b.body, width(l, lineSize))
	}
	b.body = max(b.body+24, 80)
	b.w, b.h = b.body, 14+nameSize+float64(len(lines))*(lineSize+4)
	for _, k := range loops {
		b.w = max(b.w, b.body+loopRoom+max(width(k.columns(), labelSize), width(k.action(), labelSize)))
	}
	b.h = max(b.h, float64(len(loops))*(2*labelSize+10))
	return b
}

// place gives the boxes their coordinates: each as near as the others let it
// to the middle of what it is connected with.
func (d *drawing) place() {
	for _, l := range d.layers {
		x := 0.0
		for _, b := range l {
			b.x = x + b.w/2
			x += b.w + gapX
		}
	}
	for i := range 4 * sweeps {
		for j := range d.layers {
			if i%2 == 1 {
				j = len(d.layers) - 1 - j
			}
			settle(d.layers[j])
		}
	}
	left, y := 0.0, 0.0
	for _, l := range d.layers {
		for _, b := range l {
			left = min(left, b.x-b.w/2)
		}
	}
	for _, l := range d.layers {
		height := 0.0
		for _, b := range l {
			b.x -= left
			d.w = max(d.w, b.x+b.w/2)
			height = max(height, b.h)
		}
		for _, b := range l {
			if b.table == nil && !b.label {
				b.h = height // lines pass by straight and bend between the layers
			}
			b.y = y + (height-b.h)/2
		}
		y += height + gapY
	}
	d.h = y - gapY
}

// settle moves the boxes of a layer to where they want to be, in their order
// and apart: the least squares under that condition, by pooling neighbours
// that are in each other's way.
func settle(l []*box) {
	type pool struct{ sum, weight, first float64 } // wanted place of the pool's first box
	var pools []pool
	var size []int
	offset := make([]float64, len(l)) // of a box from the first of the layer, packed
	for i, b := range l {
		if i > 0 {
			offset[i] = offset[i-1] + l[i-1].w/2 + gapX + b.w/2
		}
		want, weight := b.wants()
		p := pool{sum: (want - offset[i]) * weight, weight: weight}
		p.first = p.sum / p.weight
		n := 1
		for len(pools) > 0 && pools[len(pools)-1].first > p.first {
			last := pools[len(pools)-1]
			p = pool{sum: p.sum + last.sum, weight: p.weight + last.weight}
			p.first = p.sum / p.weight
			n += size[len(size)-1]
			pools, size = pools[:len(pools)-1], size[:len(size)-1]
		}
		pools, size = append(pools, p), append(size, n)
	}
	i := 0
	for at, p := range pools {
		for range size[at] {
			l[i].x = p.first + offset[i]
			i++
		}
	}
}

// wants is where a box would lie best, and how much that matters: bends more
// than tables, or long lines would zigzag.
func (b *box) wants() (x, weight float64) {
	n := 0.0
	for _, list := range [][]*box{b.up, b.down} {
		for _, o := range list {
			x += o.middle()
			n++
		}
	}
	if n == 0 {
		return b.x, 0.1
	}
	if b.table == nil {
		return x / n, 3
	}
	return x/n + (b.w-b.body)/2, 1
}

// middle is that of the table's own frame.
func (b *box) middle() float64 {
	if b.table == nil {
		return b.x
	}
	return b.x - (b.w-b.body)/2
}
