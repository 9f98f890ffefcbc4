package e2e

import (
	"fmt"
	"testing"

	"github.com/rowback/rowback/internal/pooler"
)

// startBouncer starts pgbouncer in front of an address and returns its own. In
// transaction mode it has two server connections for all clients.
func startBouncer(t *testing.T, mode, server string) string {
	t.Helper()
	pool := 2
	if mode == "session" {
		pool = 50
	}
	p, err := pooler.Start(t.Context(), pooler.Options{Server: server, Mode: mode, Settings: []string{fmt.Sprintf("default_pool_size = %d", pool)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	})
	return p.Addr
}
