package plot

import (
	"math"
	"slices"
)

// axis maps values to pixels by their logarithm, from a power of ten, or the half
// or double of one, to another.
type axis struct {
	low, high float64 // values
	from, to  float64 // their places
}

func newAxis(values []float64, from, to float64) axis {
	a := axis{low: slices.Min(values), high: slices.Max(values), from: from, to: to}
	steps := a.round()
	a.low, a.high = steps[0], steps[len(steps)-1]
	return a
}

// round are the values 1, 2, 5, 10 … from the last at or below the least to the
// first at or above the greatest, always two or more.
func (a axis) round() (steps []float64) {
	for power := math.Pow(10, math.Floor(math.Log10(a.low))-1); ; power *= 10 {
		for _, m := range []float64{1, 2, 5} {
			v := m * power
			if v <= a.low*(1+1e-9) {
				steps = steps[:0]
			}
			steps = append(steps, v)
			if v >= a.high*(1-1e-9) && len(steps) > 1 {
				return steps
			}
		}
	}
}

// ticks are the round values to show: powers of ten alone where there are many.
func (a axis) ticks() (ticks []float64) {
	steps := a.round()
	if len(steps) <= 8 {
		return steps
	}
	for _, v := range steps {
		if power := math.Log10(v); math.Abs(power-math.Round(power)) < 1e-9 {
			ticks = append(ticks, v)
		}
	}
	return ticks
}

func (a axis) at(v float64) float64 {
	return a.from + (a.to-a.from)*math.Log(v/a.low)/math.Log(a.high/a.low)
}
