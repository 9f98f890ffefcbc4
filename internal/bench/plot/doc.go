// Package plot draws lines over logarithmic axes as SVG: how a cost grows by
// powers, seen at a glance. It has no more than the bench's report needs.
package plot
