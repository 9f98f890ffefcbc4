package guard

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/rowback/rowback/journal"
)

// capture adds one captured row, cols: step index (unless it is bare), tableoid, values,
// and the image where there are any. It returns the step.
func (r *run) capture(cols [][]byte) (stepIndex int, err error) {
	n := 0
	if !r.plan.captured.Bare {
		if n, err = strconv.Atoi(string(cols[0])); err != nil || n < 0 || n >= len(r.plan.steps) {
			return 0, fmt.Errorf("%w: step %q of a captured row", errMalformed, cols[0])
		}
		cols = cols[1:]
	}
	parsed, err := strconv.ParseUint(string(cols[0]), 10, 32)
	if err != nil {
		return 0, fmt.Errorf("%w: tableoid of a captured row", errMalformed)
	}
	o, cols := uint32(parsed), cols[1:]
	st := r.plan.steps[n]
	if r.plan.soft && string(cols[len(cols)-1]) != "t" { // changed, not marked
		if r.direct++; r.plan.updates {
			t := st.table.Root()
			rm := &r.s.tx.removals
			rm.tables[rm.table(journal.Table{Schema: t.Schema, Name: t.Name, OID: t.OID, Via: journal.Update})].Rows++
		}
		return n, nil
	}
	last := &r.last
	if last.values, err = r.valuesIn(last.values, cols[:len(st.key)+len(st.old)]); err != nil {
		return 0, err
	}
	if !last.any || last.step != n || last.oid != o {
		last.any, last.step, last.oid, last.table = true, n, o, r.table(n, o)
	}
	i := last.table
	if len(st.key) > 0 {
		if err := r.s.tx.keys.Add(journal.Row{Table: i, Values: last.values}); err != nil {
			return 0, err
		}
	}
	if share := &r.s.tx.removals.tables[i]; share.RowsCaptured && r.plan.captured.Image {
		switch whole := cols[len(cols)-1]; {
		case whole != nil:
			if err := r.s.tx.keys.AddImage(journal.Image{Table: i, Data: whole}); err != nil {
				return 0, err
			}
		case st.via == journal.Cascade && st.loose == "":
			st.image.without("rows of it were changed while the statement ran").note(share)
		default:
			return 0, fmt.Errorf("%w: a captured row without its image", errMalformed)
		}
	}
	r.s.tx.removals.tables[i].Rows++
	if n == 0 {
		r.direct++
	}
	switch st.via {
	case journal.Direct, journal.Cascade:
		r.captured[o]++
	case journal.SetNull, journal.SetDef:
		r.unlink(o, 1)
	}
	return n, nil
}

// captured is a captured row: the next one is mostly of the same table.
type captured struct {
	any    bool
	step   int
	oid    uint32
	table  int // r.table of these
	values []*string
}

// place is a step's rows in one table: of a partitioned table all of them, of a
// table with inheritance children its own and each child's apart.
type place struct {
	step int
	root uint32
}

// table is the index in the transaction's tables of a step's rows in the table
// o, made at the first row.
func (r *run) table(n int, o uint32) int {
	st := r.plan.steps[n]
	t := st.table
	if x := r.s.view.snap.Tables[o]; x != nil {
		t = x
	}
	t = t.Root()
	at, ok := r.index[place{n, t.OID}]
	if ok {
		return at
	}
	at = r.s.tx.removals.table(st.share(t))
	if r.index == nil {
		r.index = map[place]int{}
	}
	r.index[place{n, t.OID}] = at
	return at
}

// values are the captured texts in UTF-8.
func (r *run) values(cols [][]byte) ([]*string, error) { return r.valuesIn(nil, cols) }

// valuesIn is values in the place of others.
func (r *run) valuesIn(row []*string, cols [][]byte) ([]*string, error) {
	row = slices.Grow(row[:0], len(cols))[:len(cols)]
	for i, c := range cols {
		if c == nil {
			row[i] = nil
			continue
		}
		s := string(c)
		if r.plan.encoding != "UTF8" {
			b, err := hex.DecodeString(s)
			if err != nil {
				return nil, fmt.Errorf("%w: captured key", errMalformed)
			}
			s = string(b)
		}
		if !utf8.ValidString(s) {
			s = strconv.QuoteToASCII(s) // an SQL_ASCII database may hold any bytes
		}
		if row[i] == nil {
			row[i] = new(string)
		}
		*row[i] = s
	}
	return row, nil
}
