package graph

// box is what the drawing places: a table, the label of a foreign key, or a
// bend of one that passes by a layer of tables.
type box struct {
	table *Table // nil: no table
	key   *Key   // of a label or bend
	label bool

	w, h  float64
	body  float64 // width of the table's own frame; the rest is for loops to itself
	layer int     // even: tables, odd: labels
	at    int     // position in its layer
	x, y  float64 // middle, top

	up, down []*box
}

// chain is the boxes of one foreign key, from the upper table to the lower one.
type chain struct {
	key   *Key
	boxes []*box
}

// drawing is one connected part of the graph, placed from (0, 0).
type drawing struct {
	layers [][]*box
	chains []chain
	loops  map[*Table][]*Key // foreign keys of a table to itself
	w, h   float64
}

// parts are the connected parts of the graph, each laid out.
func (g *Graph) parts() (out []*drawing) {
	part := map[*Table]*Table{}
	var top func(t *Table) *Table
	top = func(t *Table) *Table {
		if p := part[t]; p != nil && p != t {
			part[t] = top(p)
			return part[t]
		}
		return t
	}
	for _, k := range g.Keys {
		if a, b := top(k.Child), top(k.Parent); a != b {
			part[a] = b
		}
	}
	ranks := g.ranks()
	tables, keys := map[*Table][]*Table{}, map[*Table][]*Key{}
	var order []*Table
	for _, t := range g.Tables {
		if tables[top(t)] == nil {
			order = append(order, top(t))
		}
		tables[top(t)] = append(tables[top(t)], t)
	}
	for _, k := range g.Keys {
		keys[top(k.Child)] = append(keys[top(k.Child)], k)
	}
	for _, t := range order {
		out = append(out, g.draw(tables[t], keys[t], ranks))
	}
	return out
}

// draw lays out one part in layers: parents above, every foreign key through
// a layer of labels, so that no label lies on a table or on another label.
func (g *Graph) draw(tables []*Table, keys []*Key, ranks map[*Table]int) *drawing {
	d := &drawing{loops: map[*Table][]*Key{}}
	boxes := map[*Table]*box{}
	for _, k := range keys {
		if k.Child == k.Parent {
			d.loops[k.Child] = append(d.loops[k.Child], k)
		}
	}
	for _, t := range tables {
		boxes[t] = g.tableBox(t, d.loops[t])
		boxes[t].layer = 2 * ranks[t]
	}
	lower(tables, keys, boxes)
	for _, t := range tables {
		d.add(boxes[t])
	}
	for _, k := range keys {
		if k.Child != k.Parent {
			d.chain(k, boxes[k.Parent], boxes[k.Child])
		}
	}
	d.order()
	d.place()
	return d
}

// lower moves topmost parents down to just above their children.
func lower(tables []*Table, keys []*Key, boxes map[*Table]*box) {
	for _, t := range tables {
		b, nearest, above := boxes[t], 1<<30, false
		for _, k := range keys {
			other := boxes[k.Child]
			if k.Child == t {
				other = boxes[k.Parent]
			}
			if k.Child == k.Parent || k.Child != t && k.Parent != t {
				continue
			}
			above = above || other.layer < b.layer
			nearest = min(nearest, other.layer)
		}
		if !above && nearest < 1<<30 {
			b.layer = nearest - 2
		}
	}
}

// chain connects two tables; the one with the lower layer number is above,
// also where the foreign key closes a cycle and so points down.
func (d *drawing) chain(k *Key, a, b *box) {
	if a.layer > b.layer {
		a, b = b, a
	}
	c := chain{key: k, boxes: []*box{a}}
	for layer := a.layer + 1; layer < b.layer; layer++ {
		x := &box{key: k, layer: layer, w: 10}
		if layer == b.layer-1 {
			x.label = true
			x.w, x.h = max(width(k.columns(), labelSize), width(k.action(), labelSize))+12, 2*labelSize+8
		}
		d.add(x)
		c.link(x)
	}
	c.link(b)
	d.chains = append(d.chains, c)
}

func (c *chain) link(b *box) {
	last := c.boxes[len(c.boxes)-1]
	last.down, b.up = append(last.down, b), append(b.up, last)
	c.boxes = append(c.boxes, b)
}

func (d *drawing) add(b *box) {
	for len(d.layers) <= b.layer {
		d.layers = append(d.layers, nil)
	}
	b.at = len(d.layers[b.layer])
	d.layers[b.layer] = append(d.layers[b.layer], b)
}
