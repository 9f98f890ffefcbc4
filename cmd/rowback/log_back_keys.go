package main

import (
	"context"
	"hash/maphash"
	"slices"
	"strings"

	"github.com/rowback/rowback/journal"
)

// replay follows each key of an entry through what came after it.
type replay struct {
	seed maphash.Seed
	e    *journal.Entry
	// holder of a key, by its hash: the deed that brought it back, nil if none did or
	// it was undone. 64 bits: of millions of keys hardly two are taken for one.
	rows, links map[uint64]*deed
	names       map[string]bool // tables of e whose keys are on record
	oids        map[uint32]string
	numbers     map[string]int64 // rows of tables without keys that can be restored all the same
}

// byKey is what e's keys and those of what came later tell. It holds a hash of each key.
func (a *aftermath) byKey(ctx context.Context, e *journal.Entry, later []*journal.Entry) (*back, error) {
	r := &replay{seed: maphash.MakeSeed(), e: e, rows: map[uint64]*deed{}, links: map[uint64]*deed{},
		names: map[string]bool{}, oids: map[uint32]string{}, numbers: map[string]int64{}}
	b := &back{Known: true}
	for _, t := range e.Tables {
		name := tableName(t)
		if t.OID != 0 {
			r.oids[t.OID] = name
		}
		if t.KeysCaptured && len(t.Key) > 0 {
			r.names[name] = true
		}
	}
	unkeyed := int64(0)
	for _, t := range e.Tables {
		if !t.Removed() || t.KeysCaptured && len(t.Key) > 0 {
			continue
		}
		unkeyed += t.Rows
		if name := tableName(t); t.RowsCaptured || e.Kind == journal.Restore {
			r.numbers[name] += t.Rows
			b.Known = b.Known && !r.names[name] // else which of the two a row is of nobody knows
		}
	}
	err := r.each(ctx, a.journal, e, func(link bool, key uint64) { r.held(link)[key] = nil })
	if err != nil {
		return nil, err
	}
	deeds := map[string]*deed{}
	for _, x := range later {
		d := &deed{ID: x.ID}
		if x.Kind != e.Kind {
			deeds[x.ID] = d
			b.By = append(b.By, d)
		}
		err := r.each(ctx, a.journal, x, func(link bool, key uint64) {
			held := r.held(link)
			is, of := held[key]
			switch {
			case !of:
			case x.Kind != e.Kind && is != d:
				held[key] = d
				if link {
					d.Links++
				} else {
					d.Rows++
				}
			case x.Kind == e.Kind && is != nil && slices.Contains(x.Restores, is.ID):
				is.undo(1, x.ID)
				held[key] = nil
			}
		})
		if err != nil {
			return nil, err
		}
		if !r.count(b, x, d, deeds) {
			b.Known = false
		}
	}
	b.sum(r, unkeyed)
	return b, nil
}

// undo notes that n of what d did were undone.
func (d *deed) undo(n int64, by string) {
	if d.Undone += n; !slices.Contains(d.UndoneBy, by) {
		d.UndoneBy = append(d.UndoneBy, by)
	}
}

// count takes the numbers of x's tables without keys for what x did to e's. false: they
// may be another entry's.
func (r *replay) count(b *back, x *journal.Entry, d *deed, deeds map[string]*deed) bool {
	var n int64
	matched := d.Rows+d.Links > 0
	for _, t := range x.Tables {
		if t.Removed() && r.numbers[r.name(t)] > 0 {
			n += t.Rows
		}
	}
	alone := len(x.Restores) == 1
	switch {
	case x.Kind != r.e.Kind && n > 0:
		d.Rows += n
		if d.unsure = !alone; alone {
			b.Rows += n
		}
	case x.Kind != r.e.Kind && !matched && alone && x.Rows > 0: // it has other names for e's tables
		d.Rows, d.unsure = x.Rows, true
		return false
	case x.Kind == r.e.Kind && n > 0:
		b.Rows -= n
		if of := deeds[x.Restores[0]]; of != nil {
			of.undo(n, x.ID)
		}
	}
	return n == 0 || alone
}

// sum adds what the keys tell.
func (b *back) sum(r *replay, unkeyed int64) {
	held := r.rows
	if len(r.rows) == 0 && unkeyed == 0 {
		held = r.links
	}
	b.Of = int64(len(held)) + unkeyed
	for _, d := range held {
		if d != nil {
			b.Rows++
		}
	}
}

// name is what e calls a table of another entry, which may have been renamed since.
func (r *replay) name(t journal.Table) string {
	name := tableName(t)
	if was := r.oids[t.OID]; was != "" && !r.names[name] {
		return was
	}
	return name
}

func (r *replay) held(link bool) map[uint64]*deed {
	if link {
		return r.links
	}
	return r.rows
}

// each calls f with every key of x that is of one of e's tables: of a row, or of a link of one.
func (r *replay) each(ctx context.Context, j journal.Journal, x *journal.Entry, f func(link bool, key uint64)) error {
	type share struct {
		head  string // "": not asked for
		order []int  // the key's columns by name: entries may have them in different orders
		link  bool
	}
	shares := make([]share, len(x.Tables))
	wanted := false
	for i, t := range x.Tables {
		name := r.name(t)
		if !r.names[name] || !t.KeysCaptured || t.Via == journal.Update {
			continue
		}
		s := share{head: name, link: isLink(t)}
		if s.link {
			var columns []string
			for _, c := range t.Old {
				columns = append(columns, c.Name)
			}
			slices.Sort(columns)
			s.head += "\x00" + strings.Join(columns, "\x00")
		}
		for n := range t.Key {
			s.order = append(s.order, n)
		}
		slices.SortFunc(s.order, func(a, b int) int { return strings.Compare(t.Key[a].Name, t.Key[b].Name) })
		shares[i], wanted = s, true
	}
	if !wanted {
		return nil
	}
	for row, err := range j.Rows(ctx, x.ID) {
		if err != nil {
			return err
		}
		s := shares[row.Table]
		if s.head == "" {
			continue
		}
		var h maphash.Hash
		h.SetSeed(r.seed)
		h.WriteString(s.head)
		for _, n := range s.order {
			if v := row.Values[n]; v != nil {
				h.WriteByte(0)
				h.WriteString(x.Tables[row.Table].Key[n].Same(*v))
			} else {
				h.WriteByte(1)
			}
		}
		f(s.link, h.Sum64())
	}
	return nil
}
