package journal

import (
	"context"
	"fmt"
)

// Ping writes durably what is there already: the schema's version. A newer
// rowback beside this one may have raised it.
func (j *embedded) Ping(ctx context.Context) error {
	return j.enqueue(ctx, false, func(ctx context.Context, s *store) error {
		var version int
		if err := s.write.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return err
		}
		_, err := s.write.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
		return err
	})
}
