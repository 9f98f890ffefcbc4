package protect

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// resolve finds the tables that people name. A partition stands for its root.
func (s *state) resolve(names []string) (found []*catalog.Table, notes []string, err error) {
	for _, text := range names {
		schema, name := journal.SplitName(text)
		var these []*catalog.Table
		for _, t := range s.snap.Named(name) {
			if (schema == "" || t.Schema == schema) && !t.Temporary {
				these = append(these, t)
			}
		}
		switch {
		case len(these) == 0:
			return nil, nil, badRequest("there is no table %s in database %s", text, s.snap.Database)
		case len(these) > 1:
			var all []string
			for _, t := range these {
				all = append(all, show(t))
			}
			slices.Sort(all)
			return nil, nil, badRequest("%s may be %s: say which", text, strings.Join(all, " or "))
		}
		t := these[0]
		if root := t.Root(); root != t {
			notes = append(notes, show(t)+" is a partition: its root "+show(root)+" is taken, with all partitions")
			t = root
		}
		if !slices.Contains(found, t) {
			found = append(found, t)
		}
	}
	return found, notes, nil
}

// everything is every table that can be guarded; of partitioned ones the root.
func (s *state) everything() (found []*catalog.Table, notes []string) {
	for _, t := range s.snap.Tables {
		if t.Root() != t || t.Kind != 'r' && t.Kind != 'p' || t.Temporary || t.Schema == schema || t.Schema == "information_schema" {
			continue
		}
		if why := unguardable(t); why != "" {
			notes = append(notes, show(t)+" is left out: "+why)
			continue
		}
		found = append(found, t)
	}
	slices.Sort(notes)
	return sorted(found), notes
}

// unguardable says why a table cannot be guarded, "" if it can.
func unguardable(t *catalog.Table) string {
	switch {
	case t.Schema == schema:
		return "it is rowback's own"
	case t.Kind == 'f':
		return "foreign tables have no transition tables"
	case t.Kind != 'r' && t.Kind != 'p':
		return "it is a view: guard the tables under it"
	}
	for _, leaf := range t.Leaves() {
		if leaf.Kind == 'f' {
			return "its rows in the foreign table " + show(leaf) + " have no transition table"
		}
	}
	return ""
}

// reach is a table with all that its guard takes in: partitions and children,
// and with cascades what a DELETE cascades to, with theirs.
func reach(t *catalog.Table, cascades bool) []*catalog.Table {
	all, seen := []*catalog.Table{t}, map[*catalog.Table]bool{t: true}
	add := func(x *catalog.Table) {
		if !seen[x] && unguardable(x) == "" {
			seen[x] = true
			all = append(all, x)
		}
	}
	for i := 0; i < len(all); i++ {
		for _, c := range all[i].Children {
			add(c)
		}
		if !cascades {
			continue
		}
		for _, k := range all[i].ReferencedBy {
			if k.OnDelete == catalog.Cascade {
				add(k.Child)
			}
		}
	}
	return all
}

// named are the tables that somebody asked for, and how.
func (s *state) named() map[*catalog.Table]arguments {
	out := map[*catalog.Table]arguments{}
	for _, g := range s.guarded {
		if g.arguments.role == named || g.arguments.role == alone {
			out[g.table] = g.arguments
		}
	}
	return out
}

// desired is every table that has to have triggers because of those asked for.
// From here on links are the foreign keys of tables that are to be watched.
func (s *state) desired(asked map[*catalog.Table]arguments) map[*catalog.Table]arguments {
	want := map[*catalog.Table]arguments{}
	s.links = map[*catalog.Table][]*catalog.ForeignKey{}
	for _, t := range sorted(slices.Collect(maps.Keys(asked))) {
		for _, x := range reach(t, asked[t].role == named) {
			a := arguments{Version, asked[t].limits, follows}
			if own, ok := asked[x]; ok {
				a.limits, a.role = own.limits, own.role
			} else if other, ok := want[x]; ok {
				a.limits = a.limits.stricter(other.limits)
			}
			want[x] = a
		}
		if asked[t].role != named {
			continue
		}
		for _, l := range linksTo(t) {
			if !slices.Contains(s.links[l.table], l.key) {
				s.links[l.table] = append(s.links[l.table], l.key)
			}
		}
	}
	for t := range s.links {
		if _, guarded := want[t]; !guarded {
			want[t] = arguments{version: Version, role: linked}
		}
	}
	return want
}

func sorted(tables []*catalog.Table) []*catalog.Table {
	slices.SortFunc(tables, func(a, b *catalog.Table) int {
		return cmp.Or(cmp.Compare(a.Schema, b.Schema), cmp.Compare(a.Name, b.Name))
	})
	return tables
}

// show is a table's name for people.
func show(t *catalog.Table) string { return journal.QuoteName(t.Schema, t.Name) }
