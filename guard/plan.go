package guard

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// plan is how one DELETE is captured: its target as the session resolves it,
// and the rewritten text.
type plan struct {
	epoch    int
	view     *view
	sheet    *policy.Sheet // what is kept of rows is its to say
	encoding string
	worded   bool           // what is captured depends on that
	target   *catalog.Table // nil: not in the snapshot
	capture  sqlparse.Capture
	captured sqlparse.Captured
	steps    []step
	touched  []uint32
	cuts     []uint32 // tables whose links it cuts
	all      bool     // its triggers may delete from any table
	fixed    bool     // made for transactions that keep their snapshot; see transaction.fixed
	loose    bool     // images are read of a cascade's rows that are not locked
	fields   []byte   // Wrapped or with images, and RETURNING: the RowDescription of the client's own statement
	// count is not empty if the keys cannot be captured: why. Then the
	// statement is counted, over touched (or all) tables.
	count string
	pass  bool // not guarded: a temporary table
	// temporary: a table of the session's own, which a rule may judge all the same.
	temporary bool
	// blind holds tables reached whose keys cannot be captured while the others'
	// can, by OID: why. They are counted.
	blind map[uint32]string
	// signature, as SQL, is depends while the catalog is as the plan has it.
	signature, depends string
	bare               bool // nothing hangs on the target: it is depends while nothing does
	// soft: an UPDATE; only the rows that it marks as deleted count, unless updates do as well.
	soft, updates bool
	// foreign is the target's OID if rows may leave a foreign table.
	foreign uint32
}

// step is one table reached by the DELETE.
type step struct {
	table *catalog.Table
	via   journal.Via
	key   []journal.Column
	old   []journal.Column
	soft  []string // columns that mark a row as deleted
	set   []string // the others that an UPDATE sets
	image image
	// loose says why rows of a cascade are not locked as their images are read, "" if they are.
	loose string
}

// share is a step's part of an entry, in the table t.
func (st step) share(t *catalog.Table) journal.Table {
	e := journal.Table{Schema: t.Schema, Name: t.Name, OID: t.OID, Via: st.via, KeysCaptured: true, Key: st.key, Old: st.old, Soft: st.soft, Set: st.set}
	// Nothing can name its rows; what inherits from the step's table need not have its key.
	if len(st.key) == 0 || t != st.table && !t.Partition && !identifies(st.key, t) {
		e.KeysCaptured, e.Why = false, noKey
	}
	m := st.image
	if !m.covers(t) {
		m = m.without("the rows were deleted through a table that it inherits from, which has not all of its columns")
	}
	m.note(&e)
	return e
}

// identifies reports whether the columns of key tell all rows of t apart.
func identifies(key []journal.Column, t *catalog.Table) bool {
	return len(t.Key) > 0 && !slices.ContainsFunc(t.Key, func(c string) bool {
		return !slices.ContainsFunc(key, func(k journal.Column) bool { return k.Name == c })
	})
}

const noKey = "the table has no primary key or unique not-null key"

// plan resolves a DELETE in the session. describe returns the RowDescription of
// the client's statement. Only after Quiesce.
func (s *session) plan(ctx context.Context, w proxy.Wire, st judged, old *plan, describe func() ([]byte, error)) (*plan, error) {
	s.renamesStay(w)
	fixed := false
	if s.rules.whole {
		if err := s.isolation(ctx, w); err != nil {
			return nil, err
		}
		fixed = s.tx.fixed
	}
	var err error
	encoding := w.Parameter("client_encoding")
	if old != nil && !s.renames && old.epoch == s.epoch && old.view == s.view && old.sheet == s.rules.sheet && old.fixed == fixed {
		if old.worded {
			if encoding, err = s.encoding(ctx, w); err != nil {
				return nil, err
			}
		}
		if old.encoding == encoding {
			return old, nil
		}
	}
	known := meaning{}
	if !s.renames {
		known = s.targets.get(st, s)
	}
	target := known.table
	if target == nil {
		was := s.view
		if target, err = s.resolve(ctx, w, st.Target); err != nil {
			return nil, err
		}
		if s.view != was { // what came with the table may delete as well
			s.view.judge(&st)
			s.rules.police(&st)
			if st.route != routeCapture {
				return nil, s.refuse(ctx, w, changedError())
			}
		}
	}
	p := &plan{epoch: s.epoch, view: s.view, sheet: s.rules.sheet, encoding: encoding, fixed: fixed, target: target}
	if target == nil { // it does not exist, or is newer than the snapshot
		p.all, p.count = true, "the table is not in rowback's catalog snapshot"
		if s.rules.temporary {
			is, err := one(ctx, lookup{w: w}, "SELECT relpersistence FROM pg_catalog.pg_class WHERE oid OPERATOR(pg_catalog.=) "+toRegclass(st.Target))
			if err != nil {
				return nil, err
			}
			p.temporary = is == "t"
		}
		return p, nil
	}
	if st.Update != nil {
		if p.worded = true; s.rules.updates {
			if p.encoding, err = s.encoding(ctx, w); err != nil {
				return nil, err
			}
		}
		return p, s.planUpdate(ctx, w, st, p, describe)
	}
	p.touched, p.all = s.view.snap.Touched(target)
	if target.Temporary {
		s.planTemporary(st, p)
		return p, nil
	}
	p.signature, p.depends, p.bare = s.view.snap.Signature(target)
	if target.HoldsForeign() {
		p.foreign = target.OID
	}
	if p.all = p.all || st.why != ""; st.why != "" && st.why != notLooked { // what it calls may run while it is planned: before it is captured
		p.count = st.why
		return p, nil
	}
	reached := target.Reached(st.Only)
	if p.count = uncapturable(target, reached); p.count != "" {
		if st.Target.Schema == "" { // prepared earlier, it may still mean another table of that name
			for _, t := range s.view.snap.Named(target.Name) {
				touched, all := s.view.snap.Touched(t)
				p.touched, p.all = append(p.touched, touched...), p.all || all
			}
			slices.Sort(p.touched)
			p.touched = slices.Compact(p.touched)
		}
		return p, nil
	}
	if known.table == nil {
		known.table = target
		if known.unreadable, known.unlockable, err = s.barred(ctx, w, reached.Steps); err != nil {
			return nil, err
		}
		s.targets.put(st, s, known)
	}
	if known.unreadable[target.OID] {
		p.count = s.mayNotRead(target)
		return p, nil
	}
	if target.RowSecurity && !st.Reads && !st.Returning { // to return a row may take more than to delete it
		active, err := one(ctx, lookup{w: w}, fmt.Sprintf("SELECT (pg_catalog.row_security_active('%[1]d'::pg_catalog.oid) AND EXISTS (SELECT FROM pg_catalog.pg_policy"+
			" WHERE polrelid OPERATOR(pg_catalog.=) '%[1]d'::pg_catalog.oid AND polcmd OPERATOR(pg_catalog.=) ANY ('{r,d}'::pg_catalog.\"char\"[])))::pg_catalog.text", target.OID))
		if err != nil {
			return nil, err
		}
		if active == "true" {
			p.count = "by row-level security user " + s.info.User + " may delete rows of " + target.QuotedName() + " that are not theirs to see"
			return p, nil
		}
	}
	if p.worded = s.rules.whole || slices.ContainsFunc(reached.Steps, speaks); p.worded {
		if encoding, err = s.encoding(ctx, w); err != nil {
			return nil, err
		}
		p.encoding = encoding
	}
	c := sqlparse.Capture{HexText: encoding != "UTF8"}
	images := false
	at := make([]int, len(reached.Steps)) // where each step went, -1 if it is left out
	for i, r := range reached.Steps {
		if r.Parent >= 0 && (known.unreadable[r.Table.OID] || at[r.Parent] < 0) {
			at[i] = -1
			if !r.Unlinks() {
				p.leave(r.Table, s.mayNotRead(r.Table))
			}
			continue
		}
		if at[i] = len(p.steps); r.Parent >= 0 {
			r.Parent = at[r.Parent]
		}
		taken, asked := newStep(r), captureStep(r)
		if !r.Unlinks() {
			taken.image = s.imageOf(w, r.Table, encoding)
			asked.Image = taken.image.parse()
			images = images || len(asked.Image) > 0
			taken.loose = s.loose(st, p, r.Table, known)
			asked.Lock = taken.loose == ""
			p.loose = p.loose || taken.loose != "" && len(asked.Image) > 0 && (r.Parent >= 0 || r.Self != nil)
		} else {
			for _, t := range r.Table.Leaves() {
				p.cuts = append(p.cuts, t.OID)
			}
		}
		p.steps = append(p.steps, taken)
		c.Steps = append(c.Steps, asked)
	}
	// Beside images the client's own columns need formats of their own.
	if st.Returning && (images || len(c.Steps) > 1 || c.Steps[0].Self) {
		if p.fields, err = describe(); err != nil {
			return nil, err
		}
		c.ClientColumns = int(p.fields[0])<<8 | int(p.fields[1])
	}
	p.capture = c
	p.captured, err = st.Capture(c)
	switch {
	case errors.Is(err, sqlparse.ErrKeyType):
		p.count = err.Error()
		return p, nil
	case err != nil:
		return nil, err
	}
	if crowded, err := p.crowded(st, describe); err != nil || crowded {
		return p, err
	}
	if c.Steps[0].Self || slices.ContainsFunc(p.steps[1:], func(st step) bool { return st.table == target && st.via == journal.Cascade }) {
		// Rows of the target that only foreign keys that lead back to it pull along.
		pulled := p.steps[0]
		pulled.via = journal.Cascade
		for len(p.steps) <= p.captured.SelfStep {
			p.steps = append(p.steps, pulled)
		}
	}
	return p, nil
}

// planTemporary plans a DELETE from a temporary table: passed, unless others may
// lose rows with it. One of them is any of the same name: the server may mean
// that one, in a statement prepared before the temporary table was made, or when
// a function has changed names unseen.
func (s *session) planTemporary(st judged, p *plan) {
	p.count, p.temporary = "a temporary table", s.rules.temporary
	if st.why != "" {
		p.count, p.all = st.why, true
	}
	for _, t := range s.view.snap.Named(p.target.Name) {
		touched, all := s.view.snap.Touched(t)
		p.touched, p.all = append(p.touched, touched...), p.all || all
	}
	p.touched = slices.DeleteFunc(p.touched, func(o uint32) bool { return s.view.snap.Tables[o].Temporary })
	p.pass = len(p.touched) == 0 && !p.all && !p.temporary
}

// formats are the result formats of the captured form, for a client that asks for
// these: nil where text does for all. Captured columns are binary beside images;
// for texts that is the same.
func (p *plan) formats(st judged, client []uint16) []uint16 {
	width := p.captured.Width
	switch {
	case !p.captured.Image && !st.Returning:
		return nil
	case !p.captured.Image && len(client) > 1:
		return append(slices.Clone(client), make([]uint16, width)...)
	case !p.captured.Image:
		return client
	case !st.Returning:
		return []uint16{1}
	}
	out := slices.Clone(client) // if they are more or fewer than the columns, the server says so
	switch len(client) {
	case 0:
		out = make([]uint16, p.capture.ClientColumns)
	case 1:
		out = slices.Repeat(client, p.capture.ClientColumns)
	}
	return append(out, slices.Repeat([]uint16{1}, width)...)
}

// leave notes a table that is counted only.
func (p *plan) leave(t *catalog.Table, why string) {
	if p.blind == nil {
		p.blind = map[uint32]string{}
	}
	p.blind[t.Root().OID] = why
}

func (s *session) mayNotRead(t *catalog.Table) string {
	return fmt.Sprintf("user %s may not read %s, or what led there", s.info.User, t.QuotedName())
}

// uncapturable says why a DELETE cannot be sent in captured form, "" if it can.
func uncapturable(t *catalog.Table, r catalog.Reached) string {
	switch {
	case t.Kind == 'v':
		return "a view"
	case t.Kind == 'f':
		return "a foreign table"
	case t.DeleteRules:
		return "the table has a rule on DELETE"
	case r.Unfit != "":
		return r.Unfit
	}
	for _, st := range r.Steps {
		for _, x := range st.Table.Leaves() {
			if x.Kind == 'f' {
				return "rows of the foreign table " + x.QuotedName()
			}
		}
	}
	return ""
}

func newStep(r catalog.Step) step {
	st := step{table: r.Table, via: journal.Direct, key: named(r.Table, r.Table.Key)}
	if r.Key == nil {
		return st
	}
	st.via = journal.Cascade
	if r.Unlinks() {
		st.old = named(r.Table, r.Key.Columns) // also those that stay: who moves on meanwhile has lost the link
		if st.via = journal.SetNull; r.Key.OnDelete == catalog.SetDefault {
			st.via = journal.SetDef
		}
	}
	return st
}

// captureStep is a step in sqlparse's terms.
func captureStep(r catalog.Step) sqlparse.Step {
	c := sqlparse.Step{Schema: r.Table.Schema, Table: r.Table.Name, Parent: r.Parent, Key: typed(r.Table, r.Table.Key), Only: r.Table.Kind != 'p'}
	if r.Key != nil {
		c.ParentColumns, c.Columns, c.Compare, c.Of = r.Key.ParentColumns, r.Key.Columns, compare(r.Key), oids(r.Of)
		if r.Unlinks() {
			c.Old = typed(r.Table, r.Key.Columns)
		}
	}
	if r.Self != nil {
		c.Self, c.SelfParent, c.SelfColumns, c.SelfCompare, c.SelfOf = true, r.Self.ParentColumns, r.Self.Columns, compare(r.Self), oids(r.SelfOf)
	}
	return c
}

func oids(tables []*catalog.Table) []uint32 {
	var out []uint32
	for _, t := range tables {
		out = append(out, t.OID)
	}
	return out
}

func compare(k *catalog.ForeignKey) []sqlparse.Compare {
	var out []sqlparse.Compare
	for _, c := range k.Compare {
		out = append(out, sqlparse.Compare{Operator: c.Operator, Collation: c.Collation})
	}
	return out
}

func named(t *catalog.Table, columns []string) []journal.Column {
	var out []journal.Column
	for _, c := range columns {
		out = append(out, journal.Column{Name: c, Type: t.Column(c).Type})
	}
	return out
}

func typed(t *catalog.Table, columns []string) []sqlparse.KeyColumn {
	var out []sqlparse.KeyColumn
	for _, c := range columns {
		out = append(out, sqlparse.KeyColumn{Name: c, Type: t.Column(c).BaseType})
	}
	return out
}
