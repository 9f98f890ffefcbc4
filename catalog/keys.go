package catalog

import "slices"

// keyIndex is a unique index that could identify a table's rows.
type keyIndex struct {
	name               string
	columns            []int
	primary, identity  bool // the primary key, the replica identity
	deferrable, usable bool
}

// key: table, primary, replica identity, immediate, key columns, columns, name.
// A table keeps its best index: see better.
func (l *loader) key(d document) error {
	t := l.snapshot.Tables[d.oid(0)]
	if t == nil {
		return nil
	}
	columns, err := d.numbers(5)
	if err != nil {
		return err
	}
	k := keyIndex{
		name: d.text(6), columns: columns[:int(max(0, min(d.number(4), float64(len(columns)))))], // the rest is INCLUDE
		primary: d.flag(1), identity: d.flag(2), deferrable: !d.flag(3),
	}
	k.usable = !slices.ContainsFunc(k.columns, func(n int) bool {
		c := l.columnAt(t, n)
		return c == nil || !c.NotNull || c.Unproved
	})
	// A deferrable unique index promises nothing within a transaction; the
	// primary key, if deferrable, is still better than no key.
	if !k.usable || k.deferrable && !k.primary {
		return nil
	}
	if best := l.keys[t]; !best.usable || k.better(best) {
		l.keys[t] = k
	}
	return nil
}

// better: an immediate index before a deferrable one, the primary key before
// the replica identity before the one with the fewest columns; then by name.
func (k keyIndex) better(o keyIndex) bool {
	switch {
	case k.deferrable != o.deferrable:
		return !k.deferrable
	case k.primary != o.primary:
		return k.primary
	case k.identity != o.identity:
		return k.identity
	case len(k.columns) != len(o.columns):
		return len(k.columns) < len(o.columns)
	}
	return k.name < o.name
}
