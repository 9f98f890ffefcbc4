package protect

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// shape is how rows of a table are named in the evidence: its key columns, by
// their place, since a function's text must not hold names of the user's.
type shape struct {
	columns []journal.Column
	attnums []int
	exprs   []string // the key's texts, of a row named rowback_row with columns rowback_1…
	live    int      // columns, dropped ones left out, up to the last one of the key
	looks   string   // what guard_note compares with pg_attribute
	why     string   // why rows cannot be named; then the rest is empty
}

// column is one column of pg_attribute.
type column struct {
	number             int
	name               string
	typeSchema, typing string // of the column's own type
	builtin            string // typname of the base type if that is the server's own, else ""
}

func shapeOf(t *catalog.Table, columns []column) shape {
	if len(t.Key) == 0 {
		return shape{why: "the table has no primary key or unique not-null key"}
	}
	return shapeOn(t, t.Key, columns)
}

// shapeOn is shapeOf with other columns than the key alone.
func shapeOn(t *catalog.Table, names []string, columns []column) shape {
	var s shape
	place, number := map[string]int{}, map[string]column{}
	for i, c := range columns {
		place[c.name], number[c.name] = i+1, c
	}
	last := 0
	for _, k := range names {
		c, ok := number[k]
		if !ok {
			return shape{why: "its key columns changed meanwhile"}
		}
		x, err := keyExpr(place[k], c)
		if err != nil {
			return shape{why: err.Error()}
		}
		s.columns = append(s.columns, journal.Column{Name: k, Type: t.Column(k).Type})
		s.attnums = append(s.attnums, c.number)
		s.exprs = append(s.exprs, x)
		last = max(last, c.number)
		s.live = max(s.live, place[k])
	}
	var looks []string
	for _, c := range columns {
		switch {
		case c.number > last:
		case contains(s.attnums, c.number):
			looks = append(looks, fmt.Sprintf("%d %s %s %s", c.number, c.name, c.typeSchema, c.typing))
		default:
			looks = append(looks, strconv.Itoa(c.number))
		}
	}
	s.looks = strings.Join(looks, ",")
	return s
}

// keyExpr is a key column's text. Of types that are not the server's own it is
// what their output function says: a cast could be anybody's code, and would run
// with the rights of the schema's owner.
func keyExpr(place int, c column) (string, error) {
	name := "rowback_" + strconv.Itoa(place)
	if c.builtin == "" {
		return "pg_catalog.concat(rowback_row." + name + ")", nil
	}
	return sqlparse.KeyExpr("rowback_row", sqlparse.KeyColumn{Name: name, Type: c.builtin}, false)
}

// row names the columns of a row source, by place.
func (s shape) row() string {
	names := make([]string, s.live)
	for i := range names {
		names[i] = "rowback_" + strconv.Itoa(i+1)
	}
	return "rowback_row (" + strings.Join(names, ", ") + ")"
}

// note are guard_note's last four arguments.
func (s shape) note() string {
	if s.why != "" {
		return "NULL, NULL, NULL, " + literal(s.why)
	}
	return s.noteWith(s.columns)
}

// noteWith is note with the columns as they are to be recorded.
func (s shape) noteWith(columns any) string {
	return literal(jsonOf(columns)) + ", " + literal(s.looks) + ", '" + braces(s.attnums) + "', NULL"
}

// keep inserts the keys of source's rows, some at a time.
func (s shape) keep(source string) string {
	if s.why != "" {
		return ""
	}
	var values, names []string
	for i, x := range s.exprs {
		values = append(values, fmt.Sprintf("%s AS rowback_k%d", x, i+1))
		names = append(names, fmt.Sprintf("rowback_part.rowback_k%d", i+1))
	}
	return `
	IF rowback_id IS NOT NULL THEN
		INSERT INTO rowback.evidence_key (evidence, keys)
		SELECT rowback_id, array_agg(ARRAY[` + strings.Join(names, ", ") + `])
		FROM (
			SELECT (row_number() OVER () - 1) / 1000 AS rowback_chunk, ` + strings.Join(values, ", ") + `
			FROM ` + source + ` AS ` + s.row() + `) rowback_part
		GROUP BY rowback_part.rowback_chunk;
	END IF;`
}

func contains(numbers []int, n int) bool {
	for _, x := range numbers {
		if x == n {
			return true
		}
	}
	return false
}

// literal quotes a string so that it means the same whatever
// standard_conforming_strings is.
func literal(s string) string {
	s = strings.ReplaceAll(s, "'", "''")
	if strings.Contains(s, `\`) {
		return "E'" + strings.ReplaceAll(s, `\`, `\\`) + "'"
	}
	return "'" + s + "'"
}
