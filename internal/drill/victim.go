package drill

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// victim is a table that rows are deleted from.
type victim struct {
	table *catalog.Table
	reach int64 // estimated rows of it and of what cascades from it
}

func (v victim) name() string { return journal.QuoteName(v.table.Schema, v.table.Name) }

// victims are the tables with rows and a key, what takes the most with it first;
// those whose rows other tables hold on to, only if there are no others.
func victims(s *catalog.Snapshot) (out []victim) {
	var held []victim
	for _, t := range s.Tables {
		inherits := t.Kind == 'r' && (len(t.Children) > 0 || t.Parent != nil && !t.Partition)
		if (t.Kind == 'r' || t.Kind == 'p') && !t.Partition && !inherits && len(t.Key) > 0 && size(t) > 0 {
			if n, free := reach(t); free {
				out = append(out, victim{t, n})
			} else {
				held = append(held, victim{t, n})
			}
		}
	}
	if len(out) == 0 {
		out = held
	}
	slices.SortFunc(out, func(a, b victim) int { return cmp.Or(cmp.Compare(b.reach, a.reach), cmp.Compare(a.name(), b.name())) })
	return out
}

// reach is how many rows a deletion of all rows of t takes; free: no foreign key
// of rows that stay refuses it.
func reach(t *catalog.Table) (n int64, free bool) {
	seen, open := map[*catalog.Table]bool{t: true}, []*catalog.Table{t}
	for i := 0; i < len(open); i++ {
		n += size(open[i])
		for _, fk := range open[i].ReferencedBy {
			if child := fk.Child.Root(); fk.OnDelete == catalog.Cascade && !seen[child] {
				seen[child] = true
				open = append(open, child)
			}
		}
	}
	free = true
	for _, x := range open {
		for _, fk := range x.ReferencedBy {
			refuses := fk.OnDelete == catalog.NoAction || fk.OnDelete == catalog.Restrict
			if refuses && size(fk.Child.Root()) > 0 && (fk.OnDelete == catalog.Restrict || !seen[fk.Child.Root()]) {
				free = false
			}
		}
	}
	return n, free
}

func size(t *catalog.Table) (n int64) {
	for _, leaf := range t.Leaves() {
		n += int64(max(leaf.EstimatedRows, 0))
	}
	return n
}

// everything deletes all rows; some deletes about that share of them.
func (v victim) everything() string { return "DELETE FROM " + v.table.QuotedName() }

func (v victim) some(share float64, salt uint64) string {
	return fmt.Sprintf("DELETE FROM %s AS t WHERE abs(hashtextextended(t::text, %d)::numeric) %% 1000000 < %d", v.table.QuotedName(), int64(salt>>1), int(max(share*1e6, 1)))
}
