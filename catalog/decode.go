package catalog

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// document is one JSON array from a catalog query. Its readers return zero for
// NULL, and for what is missing or of another type.
type document []any

func parseDocument(text string) (d document, err error) {
	if err := json.Unmarshal([]byte(text), &d); err != nil {
		return nil, fmt.Errorf("catalog: document %.80q: %w", text, err)
	}
	return d, nil
}

func (d document) at(i int) any {
	if i < len(d) {
		return d[i]
	}
	return nil
}
func (d document) text(i int) string    { s, _ := d.at(i).(string); return s }
func (d document) flag(i int) bool      { b, _ := d.at(i).(bool); return b }
func (d document) number(i int) float64 { n, _ := d.at(i).(float64); return n }
func (d document) list(i int) document  { l, _ := d.at(i).([]any); return l }
func (d document) oid(i int) uint32     { return uint32(d.number(i)) }

// char is a "char" value: one byte.
func (d document) char(i int) byte {
	if s := d.text(i); s != "" {
		return s[0]
	}
	return 0
}

// numbers decodes column numbers as in "1 2 3"; nil for NULL.
func (d document) numbers(i int) ([]int, error) { return numbers(d.text(i)) }

func numbers(s string) ([]int, error) {
	var list []int
	for _, f := range strings.Fields(s) {
		n, err := strconv.Atoi(f)
		if err != nil {
			return nil, fmt.Errorf("catalog: column numbers %q: %w", s, err)
		}
		list = append(list, n)
	}
	return list, nil
}

func unhex(s string) (string, error) {
	b, err := hex.DecodeString(s)
	return string(b), err
}

// quote quotes an identifier.
func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
