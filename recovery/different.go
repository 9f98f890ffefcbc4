package recovery

import (
	"context"
	"fmt"
)

// onDifferent counts, a foreign key, the rows to be restored that will refer to
// a row which is in production with other values now: whole, but perhaps not
// what they were about. It must be called after classify.
func (r *restore) onDifferent(ctx context.Context) (notes []string, err error) {
	for _, t := range r.tables {
		for _, fk := range t.live.References {
			p := r.byOID[fk.Parent.Root().OID]
			if p == nil || p.count.Different == 0 || t.count.Restored == 0 || !t.hasAll(fk.Columns) || !p.hasAll(fk.ParentColumns) {
				continue
			}
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s c WHERE EXISTS (SELECT FROM %s p WHERE p.rowback_class = '%s' AND %s)",
				t.in, p.left, classDifferent, refers(fk, "p", prefixed("c", fk.Columns))))
			if err != nil {
				return nil, err
			}
			if n > 0 {
				notes = append(notes, fmt.Sprintf("%s of %s will refer by %s to rows of %s that have other values now; look whether they still belong together",
					plural(n, "row"), t.name(), fk.Name, p.name()))
			}
		}
	}
	return notes, nil
}
