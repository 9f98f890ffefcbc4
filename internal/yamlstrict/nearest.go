package yamlstrict

import "strings"

// Nearest is the one of names that text may have been meant as, "" if none is
// near: three letters at most may differ, and no more than half of the name's.
// Capitals do not count, nor does an underscore for a hyphen.
func Nearest(text string, names []string) string {
	text = plain(text)
	best, distance := "", 4
	for _, name := range names {
		if d := editDistance(text, plain(name)); d < distance && d <= len(name)/2 {
			best, distance = name, d
		}
	}
	return best
}

func plain(s string) string { return strings.ReplaceAll(strings.ToLower(s), "_", "-") }

// editDistance is the Levenshtein distance.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}
