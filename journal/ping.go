package journal

import (
	"context"
	"fmt"
)

// Ping writes durably what is there already: the schema's version.
func (j *embedded) Ping(ctx context.Context) error {
	return j.submit(ctx, false, func(ctx context.Context, s *store) error {
		_, err := s.write.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
		return err
	})
}
