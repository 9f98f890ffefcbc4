package backup

import (
	"context"

	"github.com/rowback/rowback/recovery"
)

// holdsRows makes it a problem if no table has a row: a dump of the schema alone
// has all its tables, as many rows as were dumped, and brings nothing back.
func (v *verification) holdsRows(ctx context.Context) error {
	for _, t := range v.catalog.Tables {
		if !recovery.HoldsRows(t) {
			continue
		}
		n, err := v.session.Number(ctx, "SELECT count(*) FROM (SELECT FROM "+t.QuotedName()+" LIMIT 1) x")
		if err != nil || n > 0 {
			return err
		}
	}
	v.problem("no table has a row, so nothing could be brought back; is it a dump of the schema alone?")
	return nil
}
