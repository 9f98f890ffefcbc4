package catalog

import "context"

// ServerID is the identifier of the server's cluster, which its standbys have
// too: transaction ids mean nothing elsewhere.
func ServerID(ctx context.Context, q Querier) (string, error) {
	rows, err := q.Query(ctx, "SELECT system_identifier::pg_catalog.text FROM pg_catalog.pg_control_system()")
	if err != nil || len(rows) == 0 || rows[0][0] == nil {
		return "", err
	}
	return *rows[0][0], nil
}
