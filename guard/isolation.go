package guard

import (
	"context"

	"github.com/rowback/rowback/proxy"
)

// isolation finds out how the open transaction sees the catalog. It is asked once
// for a transaction block, and once in a session for those without.
func (s *session) isolation(ctx context.Context, w proxy.Wire) error {
	tx := s.open(w)
	if tx.isolated {
		return nil
	}
	if s.fixed == nil || s.inBlock(w) {
		rows, err := lookup{w: w}.Query(ctx, "SHOW transaction_isolation")
		if err != nil {
			return err
		}
		fixed := len(rows) != 1 || fixes(text(rows[0][0]))
		if tx.fixed = fixed; !s.inBlock(w) {
			s.fixed = &fixed
		}
	} else {
		tx.fixed = *s.fixed
	}
	tx.isolated = true
	return nil
}
