package catalog

import (
	"maps"
	"slices"
)

// Touched returns the OIDs of the tables that hold the rows which a DELETE on t
// may remove, by cascades of any depth too: those whose n_tup_del may grow, in
// ascending order, partitions and inheritance children one by one. For a view
// they are those of all tables under it.
//
// With all, a trigger, rule or policy on the way may delete anything: no list
// is complete.
func (s *Snapshot) Touched(t *Table) (oids []uint32, all bool) {
	found := map[uint32]bool{}
	for n := range s.fired(t) {
		x := s.Tables[n.oid]
		if n.kind == removing && x.Kind == 'r' {
			found[n.oid] = true
		}
		if _, ok := s.taint[n]; ok {
			all = true
		}
	}
	return slices.Sorted(maps.Keys(found)), all
}

// fired returns what a DELETE on t makes happen: removing from t and from the
// tables it cascades to, writing to the tables whose links it cuts.
func (s *Snapshot) fired(t *Table) map[node]bool {
	fired := map[node]bool{}
	for queue := []*Table{t}; len(queue) > 0; queue = queue[1:] {
		t := queue[0]
		if n := (node{kind: removing, oid: t.OID}); fired[n] {
			continue
		} else {
			fired[n] = true
		}
		queue = append(queue, t.Children...)
		if t.Kind == 'v' {
			queue = append(queue, t.Bases...)
		}
		for _, k := range t.ReferencedBy {
			switch {
			case k.OnDelete == Cascade:
				queue = append(queue, k.Child)
			case k.OnDelete.sets():
				fired[node{kind: writing, oid: k.Child.OID}] = true
			}
		}
	}
	return fired
}
