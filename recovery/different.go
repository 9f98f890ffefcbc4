package recovery

import (
	"context"
	"fmt"
)

// failDifferent refuses if the caller wants none of the rows to be different.
func (r *restore) failDifferent() error {
	var problems []string
	for _, t := range r.tables {
		if n := t.count.Different; n > 0 && r.o.OnDifferent == FailDifferent {
			problems = append(problems, fmt.Sprintf("%s of %s in production with other values now; --on-different report restores the others and lists these", plural(n, "row"), t.name()))
		}
	}
	return refuse(Differs, problems...)
}

// listedClasses is the condition that a row that stays out is to be listed.
func (r *restore) listedClasses() string {
	out := "rowback_class <> '" + classFiltered + "'"
	if r.o.OnDifferent == SkipDifferent {
		out += " AND rowback_class <> '" + classDifferent + "'"
	}
	return out + " AND rowback_marked IS NULL"
}

// onDifferent counts, a foreign key, the rows to be restored that will refer to
// a row which is in production with other values now: whole, but perhaps not
// what they were about. It must be called after classify.
func (r *restore) onDifferent(ctx context.Context) (notes []string, err error) {
	for _, t := range r.tables {
		for _, ref := range t.references() {
			p := r.byOID[ref.Parent.Root().OID]
			if p == nil || p.count.Different == 0 || t.count.Restored == 0 || !t.hasAll(ref.reads()) || !p.hasAll(ref.ParentColumns) {
				continue
			}
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s c WHERE %s AND EXISTS (SELECT FROM %s p WHERE p.rowback_class = '%s' AND p.rowback_marked IS NULL AND %s)",
				t.in, ref.applies("c"), p.left, classDifferent, ref.refers("p", ref.values("c"))))
			if err != nil {
				return nil, err
			}
			if n > 0 {
				notes = append(notes, fmt.Sprintf("%s of %s will refer by %s to rows of %s that have other values now; look whether they still belong together",
					plural(n, "row"), t.name(), ref.Name, p.name()))
			}
		}
	}
	return notes, nil
}
