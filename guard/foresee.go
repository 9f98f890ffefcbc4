package guard

import (
	"context"

	"github.com/rowback/rowback/catalog"
)

// foresee judges a statement with a plan before it runs, as far as that can be
// told. errFailed: it is refused, and the client told.
func (r *run) foresee(ctx context.Context, p *portal) error {
	var tables []*catalog.Table
	if r.plan.target != nil {
		tables = append(tables, r.plan.target)
	}
	return r.permit(ctx, tables)
}
