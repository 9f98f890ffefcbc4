package recovery

import (
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// was is the name in the recovery database of t's column c; "" if it has none: the
// column of that name there is another one by now.
func (t *table) was(c string) string { return t.config.was(c) }

func (c *TableConfig) was(column string) string {
	for old, now := range c.Rename {
		if now == column {
			return old
		}
	}
	if c.Rename[column] != "" {
		return ""
	}
	return column
}

func (t *table) were(columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = t.was(c)
	}
	return out
}

// renamed are columns as a journal entry names them, its key above all, in the names
// that production has now. The entry may be of before a column was renamed or of after;
// where both have all of the names, the order in the key tells.
func (r *restore) renamed(live *catalog.Table, columns []string) []string {
	c := r.mapping.byOID[live.OID]
	if c == nil || slices.Equal(columns, live.Key) {
		return columns
	}
	all, some := slices.Clone(columns), slices.Clone(columns)
	for i, name := range columns {
		now := c.Rename[name]
		if now == "" {
			continue
		}
		all[i] = now
		if live.Column(name) == nil {
			some[i] = now
		}
	}
	if slices.Equal(all, live.Key) {
		return all
	}
	return some
}

// refuseEither refuses a key that the entry may name as its columns are called now, or
// as they were before they were renamed: its values would find other rows. A type that
// only one of them has tells.
func (r *restore) refuseEither(live *catalog.Table, st *journal.Table) error {
	c := r.mapping.byOID[live.OID]
	if c == nil {
		return nil
	}
	for _, k := range st.Key {
		was, is := live.Column(c.Rename[k.Name]), live.Column(k.Name)
		if was == nil || is == nil || !slices.Contains(live.Key, k.Name) || slices.Contains(live.Key, was.Name) {
			continue
		}
		if was.Type != is.Type && k.Type == is.Type {
			continue
		}
		return fmt.Errorf("table %s: its rows are on record by the key column %s, which the configuration says is called %s now, and the key is by another %[2]s now; restore them from a file of keys (--keys) that has a column %[3]s, or, if they went after the change, without that rename",
			display(live), k.Name, was.Name)
	}
	return nil
}

// settleNames finds out whether the images have the names of before the configuration's
// renames or of after.
func (f *imageFeed) settleNames(t *table) error {
	rename := t.config.Rename
	if len(rename) == 0 {
		return nil
	}
	had := slices.Clone(f.st.Excluded)
	for _, c := range f.st.Columns {
		had = append(had, c.Name)
	}
	before, after := true, true // it may be
	for old, now := range rename {
		before, after = before && slices.Contains(had, old), after && slices.Contains(had, now)
	}
	if before != after {
		f.before, f.after = before, after
		return nil
	}
	if !before {
		return nil // some were renamed before the rows went, some since: each by what is there
	}
	switch b, a := f.strangers(t, t.config.now), f.strangers(t, func(c string) string { return c }); {
	case b < a:
		f.before = true
	case a < b:
		f.after = true
	default:
		return fmt.Errorf("table %s: whether the journal's images of its rows have its columns' names of before they were renamed or of after cannot be told; restore the rows from a recovery database with --no-images, or, if they went after the change, without that rename", t.name())
	}
	return nil
}

// now is the name in production of a column that the recovery database calls so; "" if it has none.
func (c *TableConfig) now(old string) string {
	if now := c.Rename[old]; now != "" {
		return now
	}
	for _, now := range c.Rename {
		if now == old {
			return ""
		}
	}
	return old
}

// strangers counts the image's columns that have no place in the live table under these
// names: none of the name, or one that comes before the last one's. Columns keep their order.
func (f *imageFeed) strangers(t *table, name func(string) string) (n int) {
	last := -1
	for _, c := range f.st.Columns {
		at := slices.IndexFunc(t.live.Columns, func(l catalog.Column) bool { return l.Name == name(c.Name) })
		if at <= last {
			n++
			continue
		}
		last = at
	}
	return n
}

// names are what the image may call the live column c, the likeliest first.
func (f *imageFeed) names(c string) []string {
	was := f.t.was(c)
	switch {
	case f.before:
		return []string{was}
	case f.after || was == c || was == "":
		return []string{c}
	}
	return []string{c, was}
}
