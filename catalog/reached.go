package catalog

import "slices"

// Reached is what a DELETE on a table removes, or unlinks, besides its own rows.
type Reached struct {
	// Steps[0] is the table itself. Each further step is one foreign key on one
	// path down from it, parents before children; a table reached on several
	// paths has several steps, and a row may be found by more than one.
	Steps []Step
	// Cycle: foreign keys ON DELETE CASCADE form a circle of more than one
	// table. The step that leads back to a table that is on its own path has no
	// steps after it: they are those of the table's first step.
	Cycle bool
	// Unfit says why the steps do not describe exactly what the
	// server removes; "" if they do. Rows can then be counted, not captured.
	Unfit string
}

// Step is a table reached. What inherits from it is not, but by Steps[0].
type Step struct {
	Table  *Table
	Parent int         // index of the step whose rows pull these along, -1 for Steps[0]
	Key    *ForeignKey // from Table to the parent step's table (or a table that it is a partition of); nil for Steps[0]
	// Self, if not nil, is the table's foreign key to itself ON DELETE CASCADE:
	// the step's rows pull along further rows of the step.
	Self *ForeignKey
}

// Unlinks reports whether the step's rows stay, with their link set to NULL or
// the default; Key.SetColumns are the columns that change.
func (s Step) Unlinks() bool { return s.Key != nil && s.Key.OnDelete.sets() }

// SetColumns are the columns that ON DELETE SET NULL or SET DEFAULT changes.
func (k *ForeignKey) SetColumns() []string {
	if k.OnDeleteSet != nil {
		return k.OnDeleteSet
	}
	return k.Columns
}

func (k *ForeignKey) acts() bool { return k.OnDelete == Cascade || k.OnDelete.sets() }

// maxSteps bounds the paths; their number can grow exponentially with depth.
const maxSteps = 64

// Reached follows the foreign keys that act on DELETE, to any depth. only is
// for DELETE FROM ONLY, which leaves inheritance children alone.
func (t *Table) Reached(only bool) Reached {
	w := walk{on: map[*Table]bool{}}
	w.found.Steps = []Step{{Table: t, Parent: -1}}
	if !only {
		w.inherited(t)
	}
	w.expand(0)
	return w.found
}

// walk is a depth-first walk; on holds the tables of the path walked down.
type walk struct {
	found Reached
	on    map[*Table]bool
}

func (w *walk) unfit(why string) {
	if w.found.Unfit == "" {
		w.found.Unfit = why
	}
}

// inherited: foreign keys hold for a parent's own rows, or a child's, while the
// DELETE removes both, and keys need not be unique across them.
func (w *walk) inherited(t *Table) {
	family := t.family()
	if !slices.ContainsFunc(family, func(x *Table) bool { return x != t && !x.Partition }) {
		return
	}
	for _, x := range family {
		if slices.ContainsFunc(x.ReferencedBy, (*ForeignKey).acts) {
			w.unfit("inheritance: foreign keys reference " + x.QuotedName() + " alone")
		}
	}
}

func (w *walk) expand(i int) {
	t := w.found.Steps[i].Table
	w.on[t] = true
	defer delete(w.on, t)
	w.partitions(t)
	for _, k := range t.ReferencedBy {
		switch {
		case !k.acts():
		case k.OnDelete.sets():
			w.step(i, k)
		case k.Child == t:
			if w.found.Steps[i].Self != nil {
				w.unfit("more than one foreign key of " + t.QuotedName() + " to itself")
				continue
			}
			w.found.Steps[i].Self = k
		case w.on[k.Child]:
			w.found.Cycle = true
			w.step(i, k)
		default:
			if j := w.step(i, k); j > 0 {
				w.expand(j)
			}
		}
	}
}

// step adds a step and returns its index; 0 if there are too many.
func (w *walk) step(parent int, k *ForeignKey) int {
	if len(w.found.Steps) == maxSteps {
		w.unfit("too many foreign key paths")
		return 0
	}
	w.found.Steps = append(w.found.Steps, Step{Table: k.Child, Parent: parent, Key: k})
	return len(w.found.Steps) - 1
}

// partitions: a foreign key to one partition holds for that one's rows only,
// while another partition may hold rows of the same key.
func (w *walk) partitions(t *Table) {
	for _, p := range t.family()[1:] {
		for _, k := range p.ReferencedBy {
			if p.Partition && k.acts() && k.Parent == p {
				w.unfit("foreign key " + k.Name + " references only the partition " + p.QuotedName())
			}
		}
	}
}
