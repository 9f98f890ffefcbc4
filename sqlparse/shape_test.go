package sqlparse

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
)

// shape is a random database: tables, keys of every kind, foreign keys as
// chains, diamonds, circles, self-references, cascading or cutting.
type shape struct {
	tables []*shapeTable
	round  bool // some lead back to earlier tables
	rand   *rand.Rand
}

type shapeTable struct {
	schema, name string
	key          []KeyColumn
	unique       bool // has a second unique pair (u1 int4, u2 text) that foreign keys may use
	links        []shapeLink
	rows         int
}

type shapeLink struct {
	parent  *shapeTable
	unique  bool // references (u1, u2) instead of the key
	columns []KeyColumn
	cuts    bool // ON DELETE SET NULL
	back    bool // to a table made later
}

// shapeValues make the value of a key column for row %d, by type.
var shapeValues = map[string]string{
	"int4": "%d", "int8": "(%d + 5000000000)::int8", "text": `('k''"' || chr(92) || %d)`, "varchar": "('v' || %d)::varchar",
	"uuid": "md5(%d::text)::uuid", "numeric": "(%d + 0.5)", "bytea": "decode(md5(%d::text), 'hex')",
	"date": "('2000-01-03'::date - %d * 200000)", "timestamptz": "('2000-01-01 00:00:00.000001+00'::timestamptz - %d * '2629800 hours'::interval)",
	"timestamp": "('2000-01-01'::timestamp + %d * '1 day 01:01:01.5'::interval)", "float8": "(%d * 0.1::float8)",
	"interval": "make_interval(0, %[1]d, 0, %[1]d, 0, 0, 1.5)", "inet": "('10.0.0.0'::inet + %d)", "bpchar": "('c' || %d)::bpchar",
	"money": "%d::money", "float4": "(%d * 0.1)::float4", "time": "('00:00'::time + %d * '1 min'::interval)",
}

var shapeNames = []string{"orders", "Order Items", `q"uote`, "d", "s1", "r", "x", "select", "a0", "y", "käse"}

func newShape(r *rand.Rand) *shape {
	types := append(slices.Sorted(maps.Keys(shapeValues)), "int4", "int4", "int8")
	s := &shape{rand: r}
	schema := []string{"public", "Other Schema", "app"}[r.IntN(3)]
	perm := r.Perm(len(shapeNames))
	for i := range 1 + r.IntN(6) {
		t := &shapeTable{schema: schema, name: shapeNames[perm[i]], unique: r.IntN(3) == 0, rows: 4 + r.IntN(8)}
		for k := range 1 + r.IntN(2) {
			t.key = append(t.key, KeyColumn{[]string{"id", "Key Two"}[k], types[r.IntN(len(types))]})
		}
		parents := append([]*shapeTable(nil), s.tables...)
		if r.IntN(3) == 0 {
			parents = append(parents, t)
		}
		for range r.IntN(4) {
			if len(parents) == 0 {
				break
			}
			t.addLink(parents[r.IntN(len(parents))], r)
		}
		s.tables = append(s.tables, t)
	}
	if s.round = len(s.tables) > 1 && r.IntN(2) == 0; s.round {
		for range 1 + r.IntN(3) {
			i := r.IntN(len(s.tables) - 1)
			t := s.tables[i]
			t.addLink(s.tables[i+1+r.IntN(len(s.tables)-i-1)], r)
			t.links[len(t.links)-1].back = true
		}
	}
	return s
}

func (t *shapeTable) addLink(parent *shapeTable, r *rand.Rand) {
	l := shapeLink{parent: parent, unique: parent.unique && r.IntN(2) == 0, cuts: r.IntN(4) == 0}
	for i, k := range parent.target(l.unique) {
		l.columns = append(l.columns, KeyColumn{fmt.Sprintf("F%d %d", len(t.links), i), k.Type})
	}
	t.links = append(t.links, l)
}

// target are the columns that a foreign key to this table references.
func (t *shapeTable) target(unique bool) []KeyColumn {
	if unique {
		return []KeyColumn{{"u1", "int4"}, {"u2", "text"}}
	}
	return t.key
}

func (t *shapeTable) qualified() string { return quoteName(t.schema, t.name) }

func columnList(columns []KeyColumn) string {
	var out []string
	for _, n := range names(columns) {
		out = append(out, quoteIdent(n))
	}
	return strings.Join(out, ", ")
}

// ddl creates the tables and their rows.
func (s *shape) ddl() string {
	var b strings.Builder
	var later []string
	fmt.Fprintf(&b, "CREATE SCHEMA IF NOT EXISTS %s;\n", quoteIdent(s.tables[0].schema))
	for _, t := range s.tables {
		var defs []string
		for _, k := range t.key {
			defs = append(defs, quoteIdent(k.Name)+" "+k.Type)
		}
		defs = append(defs, "v text", fmt.Sprintf("PRIMARY KEY (%s)", columnList(t.key)))
		if t.unique {
			defs = append(defs, "u1 int4 NOT NULL", "u2 text NOT NULL", "UNIQUE (u1, u2)")
		}
		for _, l := range t.links {
			for _, c := range l.columns {
				defs = append(defs, quoteIdent(c.Name)+" "+c.Type)
			}
			action := "CASCADE"
			if l.cuts {
				action = "SET NULL"
			}
			key := fmt.Sprintf("FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE %s",
				columnList(l.columns), l.parent.qualified(), columnList(l.parent.target(l.unique)), action)
			if l.back {
				later = append(later, "ALTER TABLE "+t.qualified()+" ADD "+key+";\n")
			} else {
				defs = append(defs, key)
			}
		}
		fmt.Fprintf(&b, "CREATE TABLE %s (%s);\n", t.qualified(), strings.Join(defs, ", "))
		s.insert(&b, t)
	}
	b.WriteString(strings.Join(later, ""))
	return b.String()
}

func (s *shape) insert(b *strings.Builder, t *shapeTable) {
	value := func(typ string, row int) string { return fmt.Sprintf(shapeValues[typ], row) }
	columns := append([]KeyColumn(nil), t.key...)
	if t.unique {
		columns = append(columns, t.target(true)...)
	}
	for _, l := range t.links {
		columns = append(columns, l.columns...)
	}
	var rows []string
	for i := range t.rows {
		var row []string
		for _, k := range columns[:len(columns)-linkColumns(t)] {
			row = append(row, value(k.Type, i))
		}
		for _, l := range t.links {
			ref, null := s.rand.IntN(l.parent.rows), s.rand.IntN(4) == 0
			for j, c := range l.columns {
				// Now and then only a part of the link is NULL: it holds nothing then.
				if null && (j == 0 || s.rand.IntN(2) == 0) {
					row = append(row, "NULL::"+c.Type)
				} else {
					row = append(row, value(c.Type, ref))
				}
			}
		}
		rows = append(rows, "("+strings.Join(row, ", ")+")")
	}
	fmt.Fprintf(b, "INSERT INTO %s (%s) VALUES %s;\n", t.qualified(), columnList(columns), strings.Join(rows, ", "))
}

func linkColumns(t *shapeTable) int {
	n := 0
	for _, l := range t.links {
		n += len(l.columns)
	}
	return n
}

// steps is what a caller gives for a DELETE from the target: breadth first,
// one step for each foreign key; with everyWay one for each way to it.
func (s *shape) steps(target *shapeTable, everyWay bool) ([]Step, []*shapeTable) {
	steps := []Step{{Schema: target.schema, Table: target.name, Parent: -1, Key: target.key}}
	tables := []*shapeTable{target}
	expanded := map[*shapeTable]bool{}
	everyWay = everyWay && !s.round // there is no end to them
	for i := 0; i < len(steps) && len(steps) < 60; i++ {
		parent := tables[i]
		if len(steps[i].Old) > 0 || expanded[parent] && !everyWay {
			continue
		}
		expanded[parent] = true
		for _, t := range s.tables {
			for _, l := range t.links {
				if l.parent != parent {
					continue
				}
				from := names(parent.target(l.unique))
				if t == parent && !l.cuts && !steps[i].Self && s.rand.IntN(2) == 0 {
					steps[i].Self, steps[i].SelfParent, steps[i].SelfColumns = true, from, names(l.columns)
					continue
				}
				if t == parent && !l.cuts && i > 0 && steps[i].Table == steps[steps[i].Parent].Table {
					continue // the same self-reference again
				}
				step := Step{Schema: t.schema, Table: t.name, Only: s.rand.IntN(2) == 0, Parent: i, ParentColumns: from, Columns: names(l.columns), Key: t.key}
				if l.cuts {
					step.Old = l.columns
				}
				steps, tables = append(steps, step), append(tables, t)
			}
		}
	}
	return steps, tables
}
