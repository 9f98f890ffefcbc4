package recovery

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// photo is every row of every table as text key and image.
func (l *lab) photo(keep func(table, column string) bool) (rows map[string][][2]string, columns map[string][]journal.ImageColumn, excluded map[string][]string, tables []*catalog.Table) {
	l.t.Helper()
	s := l.side(l.production)
	defer s.conn.Close(context.Background())
	rows, columns, excluded = map[string][][2]string{}, map[string][]journal.ImageColumn{}, map[string][]string{}
	tables = userTables(s)
	for _, t := range tables {
		var exprs []string
		for _, c := range t.Columns {
			text := c.Textual || c.BaseType == "xml"
			switch {
			case c.Generated:
			case keep != nil && !keep(t.Name, c.Name):
				excluded[display(t)] = append(excluded[display(t)], c.Name)
			default:
				columns[display(t)] = append(columns[display(t)], journal.ImageColumn{Name: c.Name, Type: c.Type, Text: text, Shape: c.Shape})
				exprs = append(exprs, "t."+quote(c.Name)+map[bool]string{true: "::text"}[text])
			}
		}
		key := "''"
		if len(t.Key) > 0 {
			key = texts("t", t.Key)
		}
		got, err := s.rows(context.Background(), fmt.Sprintf("SELECT encode(record_send(ROW(%s)), 'hex'), %s FROM %s t", strings.Join(exprs, ", "), key, only(t)))
		if err != nil {
			l.t.Fatalf("%s: %v", display(t), err)
		}
		for _, r := range got {
			rows[display(t)] = append(rows[display(t)], [2]string{joinKey(r[1:]), *r[0]})
		}
	}
	return rows, columns, excluded, tables
}

// imaged runs sql on production and records, as guard does, the keys and images
// of the rows that it deleted. keep says which columns images have; nil: all.
func (l *lab) imaged(keep func(table, column string) bool, sql ...string) string {
	l.t.Helper()
	before, columns, excluded, tables := l.photo(keep)
	l.exec(sql...)
	after, _, _, _ := l.photo(keep)
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed,
		Database: l.name, User: "app", Statements: []journal.Statement{{SQL: strings.Join(sql, "; "), Tag: "DELETE"}}}
	keys := l.journal.Gather(l.t.TempDir())
	defer keys.Close()
	for _, t := range tables {
		have := map[[2]string]int{}
		for _, r := range after[display(t)] {
			have[r]++
		}
		jt := journal.Table{Schema: t.Schema, Name: t.Name, OID: t.OID, Via: journal.Direct, RowsCaptured: true, Columns: columns[display(t)], Excluded: excluded[display(t)]}
		if jt.KeysCaptured = len(t.Key) > 0; jt.KeysCaptured {
			jt.Key = journalColumns(t, t.Key)
		} else {
			jt.Why = noKey
		}
		for _, r := range before[display(t)] {
			if have[r]--; have[r] >= 0 {
				continue
			}
			data, err := hex.DecodeString(r[1])
			if err == nil {
				err = keys.AddImage(journal.Image{Table: len(e.Tables), Data: data})
			}
			if err == nil && jt.KeysCaptured {
				err = keys.Add(journal.Row{Table: len(e.Tables), Values: splitKey(r[0])})
			}
			if err != nil {
				l.t.Fatal(err)
			}
			jt.Rows++
		}
		if jt.Rows > 0 {
			e.Tables, e.Rows = append(e.Tables, jt), e.Rows+jt.Rows
		}
	}
	if err := l.journal.Append(context.Background(), e, keys); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

// alone makes options of a restore without a recovery database.
func (l *lab) alone(ids ...string) Options {
	o := l.options(ids...)
	o.Recovery = ""
	return o
}

// content is all rows of a table as text, sorted: of one without a key, too.
func (l *lab) content(table string) []string {
	l.t.Helper()
	s := l.side(l.production)
	defer s.conn.Close(context.Background())
	rows, err := s.rows(context.Background(), "SELECT rowback_t::text FROM "+table+" rowback_t")
	if err != nil {
		l.t.Fatal(err)
	}
	var out []string
	for _, r := range rows {
		out = append(out, *r[0])
	}
	slices.Sort(out)
	return out
}
