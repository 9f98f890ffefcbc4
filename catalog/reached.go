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
	Key    *ForeignKey // from Table to the parent step's table (or a table that it is a partition of, or that is a part of it); nil for Steps[0]
	// Of are the tables whose rows Key is about; nil: all rows of the parent step.
	// A key to a partition holds for its rows alone, one to a table that others
	// inherit from for its own.
	Of []*Table
	// Self, if not nil, is the table's foreign key to itself ON DELETE CASCADE:
	// the step's rows pull along further rows of the step. A second one is a step of
	// its own, with no steps after it.
	Self   *ForeignKey
	SelfOf []*Table // as Of, for Self
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
	w := walk{on: map[*Table]bool{}, heirs: map[*Table]bool{}}
	w.found.Steps = []Step{{Table: t, Parent: -1}}
	if !only {
		for _, x := range t.family()[1:] {
			if !x.Partition {
				w.heirs[x] = true
			}
		}
	}
	w.expand(0)
	return w.found
}

// walk is a depth-first walk; on holds the tables of the path walked down, heirs
// what inherits from the first: its rows go with those of Steps[0].
type walk struct {
	found     Reached
	on, heirs map[*Table]bool
}

func (w *walk) unfit(why string) {
	if w.found.Unfit == "" {
		w.found.Unfit = why
	}
}

func (w *walk) expand(i int) {
	t := w.found.Steps[i].Table
	w.on[t] = true
	defer delete(w.on, t)
	var own []*Table
	if i == 0 && len(w.heirs) > 0 {
		own = []*Table{t}
	}
	for _, k := range t.ReferencedBy {
		w.follow(i, k, own)
	}
	for _, x := range t.family()[1:] {
		for _, k := range x.ReferencedBy {
			switch {
			case x.Partition && k.Parent == x: // the root's own were followed
				w.follow(i, k, x.Leaves())
			case i == 0 && w.heirs[x]:
				w.follow(i, k, []*Table{x})
			}
		}
	}
}

// follow adds the step of one foreign key, and what comes after it.
func (w *walk) follow(i int, k *ForeignKey, of []*Table) {
	t := w.found.Steps[i].Table
	switch {
	case !k.acts():
	case slices.ContainsFunc(k.ParentColumns, func(c string) bool { return t.Column(c) == nil }):
		w.unfit("foreign key " + k.Name + " references a column that " + t.QuotedName() + " has not")
	case w.heirs[k.Child]: // a row could be found twice: as one that the DELETE names, and as one that is pulled along or cut
		w.unfit("inheritance: foreign key " + k.Name + " leads back to " + k.Child.QuotedName())
	case k.OnDelete.sets():
		if next := k.passedOn(); next != nil {
			w.unfit("foreign key " + next.Name + " passes on what foreign key " + k.Name + " sets")
		}
		w.step(i, k, of)
	case k.Child == t && w.found.Steps[i].Self == nil:
		w.found.Steps[i].Self, w.found.Steps[i].SelfOf = k, of
	case k.Child == t:
		w.step(i, k, of)
	case w.on[k.Child]:
		w.found.Cycle = true
		w.step(i, k, of)
	default:
		if j := w.step(i, k, of); j > 0 {
			w.expand(j)
		}
	}
}

// passedOn is a foreign key whose ON UPDATE changes rows where ON DELETE of k has set
// columns that it references; nil: none.
func (k *ForeignKey) passedOn() *ForeignKey {
	set := k.SetColumns()
	for _, t := range k.Child.Root().family() {
		for _, next := range t.ReferencedBy {
			if (next.OnUpdate == Cascade || next.OnUpdate.sets()) && slices.ContainsFunc(next.ParentColumns, func(c string) bool { return slices.Contains(set, c) }) {
				return next
			}
		}
	}
	return nil
}

// step adds a step and returns its index; 0 if there are too many.
func (w *walk) step(parent int, k *ForeignKey, of []*Table) int {
	if len(w.found.Steps) == maxSteps {
		w.unfit("too many foreign key paths")
		return 0
	}
	w.found.Steps = append(w.found.Steps, Step{Table: k.Child, Parent: parent, Key: k, Of: of})
	return len(w.found.Steps) - 1
}
