package main

import "fmt"

// goal is what a figure is to reach; the zero value: there is none.
type goal struct {
	bound float64
	sign  string // "≥" or "≤"
}

func atLeast(bound float64) goal { return goal{bound, "≥"} }

func atMost(bound float64) goal { return goal{bound, "≤"} }

func (g goal) String() string {
	if g.sign == "" {
		return ""
	}
	return fmt.Sprintf("%s %.2f", g.sign, g.bound)
}

// met reports whether a figure reaches it.
func (g goal) met(figure float64) bool {
	if g.sign == "≤" {
		return figure <= g.bound
	}
	return figure >= g.bound
}
