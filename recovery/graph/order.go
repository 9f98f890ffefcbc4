package graph

import (
	"cmp"
	"slices"
)

// sweeps over the layers; more change little.
const sweeps = 16

// order sorts each layer so that few lines cross: every box to the mean place
// of those it is connected with above, then below, in turn. The best is kept.
func (d *drawing) order() {
	best, fewest := d.copy(), d.crossings()
	for i := 0; i < sweeps && fewest > 0; i++ {
		if i%2 == 0 {
			for _, l := range d.layers {
				sortLayer(l, func(b *box) []*box { return b.up })
			}
		} else {
			for _, l := range slices.Backward(d.layers) {
				sortLayer(l, func(b *box) []*box { return b.down })
			}
		}
		if n := d.crossings(); n < fewest {
			best, fewest = d.copy(), n
		}
	}
	d.layers = best
	for _, l := range d.layers {
		number(l)
	}
}

func (d *drawing) copy() [][]*box {
	out := make([][]*box, len(d.layers))
	for i, l := range d.layers {
		out[i] = slices.Clone(l)
	}
	return out
}

func sortLayer(l []*box, next func(*box) []*box) {
	mean := map[*box]float64{}
	for _, b := range l {
		mean[b] = float64(b.at)
		if n := next(b); len(n) > 0 {
			sum := 0
			for _, x := range n {
				sum += x.at
			}
			mean[b] = float64(sum) / float64(len(n))
		}
	}
	slices.SortStableFunc(l, func(a, b *box) int { return cmp.Compare(mean[a], mean[b]) })
	number(l)
}

func number(l []*box) {
	for i, b := range l {
		b.at = i
	}
}

// crossings counts pairs of lines between neighbouring layers that cross.
func (d *drawing) crossings() (n int) {
	for _, l := range d.layers {
		var ends []int // of the lines so far, from the left
		for _, b := range l {
			var own []int
			for _, x := range b.down {
				for _, e := range ends {
					if e > x.at {
						n++
					}
				}
				own = append(own, x.at)
			}
			ends = append(ends, own...)
		}
	}
	return n
}
