package recovery

import (
	"slices"

	"github.com/rowback/rowback/catalog"
)

// change is an UPDATE of rows that are in production: links given back or cut
// again, soft deletes set back or made again. Such a row is somebody's, and what
// it depends on has gone on since: where production would not take what it is to
// become, it stays as it is and is listed, and the others are changed all the same.
type change struct {
	what    string // for errors: "re-linking public.c"
	live    *catalog.Table
	base    string                                        // FROM item of the rows, l; "": the live table
	key     []string                                      // of live
	staged  string                                        // temporary table, x: the rows that are asked for
	keys    []string                                      // its columns that hold the key
	columns []string                                      // of live, that are set
	values  []string                                      // to these, over x
	chosen  string                                        // the condition, over x, that the row is to be changed
	still   string                                        // the condition, over l and x, that it is as it was found
	hold    func(why string) string                       // what is set in staged where it cannot be, why being an SQL expression
	known   *catalog.ForeignKey                           // whose parents were looked at before; nil: none
	gone    func(values []string, ref reference) []string // conditions, each: the parent is not there
	blame   func() string                                 // triggers that may have been in the way

	same []catalog.Comparison // of the key
	turn int                  // in the order of all changes
	done int64                // rows changed
	asks
}

// asks is what production asks of rows with other values in some columns. None of
// these decides on a row's partition: what does is of its key, which stays.
type asks struct {
	arbiters  []arbiter
	checks    []check
	refs      []reference // by which they refer
	referring []reference // by which others refer to them
}

func (a asks) nothing() bool {
	return len(a.arbiters)+len(a.checks)+len(a.refs)+len(a.referring) == 0
}

// asked settles what production asks of the rows of c. Generated columns count as
// changed, whatever they are made of.
func (r *restore) asked(c *change) (out asks) {
	changed := slices.Clone(c.columns)
	for _, col := range c.live.Columns {
		if col.Generated {
			changed = append(changed, col.Name)
		}
	}
	touches := func(columns []string) bool {
		return slices.ContainsFunc(columns, func(col string) bool { return slices.Contains(changed, col) })
	}
	t := r.shape(c.live)
	for _, a := range t.detail.arbiters {
		if touches(a.columns) && !slices.Contains(a.columns, "") {
			out.arbiters = append(out.arbiters, a)
		}
	}
	for _, k := range t.detail.checks {
		if touches(k.columns) || k.unproved {
			out.checks = append(out.checks, k)
		}
	}
	for _, ref := range t.references() {
		null := slices.ContainsFunc(ref.Columns, func(col string) bool {
			at := slices.Index(c.columns, col)
			return at >= 0 && at < len(c.values) && c.values[at] == "NULL"
		})
		if touches(ref.reads()) && ref.ForeignKey != c.known && (!null || ref.MatchFull) {
			out.refs = append(out.refs, ref)
		}
	}
	for _, ref := range r.referring(t) {
		follows := !r.replica && ref.OnUpdate == catalog.Cascade
		if c.base == "" && touches(ref.ParentColumns) && !follows {
			out.referring = append(out.referring, ref)
		}
	}
	return out
}

// shape is the work on a live table or, if there is none, as much of it as tells
// what its rows refer to.
func (r *restore) shape(live *catalog.Table) *table {
	if t := r.byOID[live.OID]; t != nil {
		return t
	}
	t := &table{live: live, detail: r.production.detail[live.OID]}
	for _, d := range r.mapping.declare {
		if d.child == live {
			t.declared = append(t.declared, d.ref)
		}
	}
	return t
}

// around are the tables that a change of these columns looks at: parents of the
// rows, and children.
func (r *restore) around(live *catalog.Table, columns, values []string) (parents, children []*catalog.Table) {
	a := r.asked(&change{live: live, columns: columns, values: values})
	for _, ref := range a.refs {
		parents = append(parents, ref.Parent)
	}
	for _, ref := range a.referring {
		children = append(children, ref.Child)
	}
	return parents, children
}

// read are the columns of c's table that c or any rule of it reads; "" among them: all.
func (r *restore) read(c *change) []string {
	t := r.shape(c.live)
	read := slices.Concat(c.key, c.columns)
	for _, a := range t.detail.arbiters {
		read = append(read, a.columns...)
	}
	for _, k := range t.detail.checks {
		read = append(read, k.columns...)
	}
	for _, ref := range t.references() {
		read = append(read, ref.reads()...)
	}
	for _, ref := range r.referring(t) {
		read = append(read, ref.ParentColumns...)
	}
	return read
}

// watched are those of them that are not generated, all if some are.
func (r *restore) watched(c *change) (out []string) {
	t, read := r.shape(c.live), r.read(c)
	all := slices.ContainsFunc(c.live.Columns, func(col catalog.Column) bool { return col.Generated })
	for _, col := range c.live.Columns {
		domain := t.detail.columns[col.Name].kind == "d" // may not take NULL
		if !col.Generated && (all || domain || slices.Contains(read, col.Name)) {
			out = append(out, col.Name)
		}
	}
	return out
}
