package e2e

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"testing"
)

// Clients whose own suites make their tables: what they see of a DELETE over the
// threshold on the tables of testdata/clients.sql, each way in which they send one;
// and then of some within it, which the journal has.
var refusals = []struct {
	name    string
	command func(ctx context.Context, args ...string) *exec.Cmd
	want    string
}{
	{"JDBC", jdbc, jdbcSays("", "[-3, -3, -3]", "25P02", 0) +
		jdbcSays("&preferQueryMode=simple", "[1, -3, 1]", "25P02", 2) + // each of a batch is a Query of its own
		jdbcSays("&prepareThreshold=1&binaryTransfer=true", "[-3, -3, -3]", "25P02", 0) +
		jdbcSays("&prepareThreshold=-1", "[-3, -3, -3]", "25P02", 0) +
		jdbcSays("&preferQueryMode=extendedCacheEverything&autosave=always", "[-3, -3, -3]", "1", 0)},
}

func TestClients_ABlockedDelete(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			database := tables(t)
			got := run(t, c.command(t.Context(), proxied(t, database), "blocked"))
			if want := strings.TrimPrefix(c.want, "\n"); got != want {
				t.Errorf("the client says\n%swant\n%s", got, want)
			}
			evident(t, database)
		})
	}
}

// jdbcSays is what the driver makes of them: a batch's update counts without a
// transaction, what a statement gets in the one of a refused, and what is gone by then.
func jdbcSays(mode, batch, after string, gone int) string {
	alone := fmt.Sprintf("executeUpdate RB001\nprepared RB001\nreturning RB001\nbatch RB001 %s\nprepared batch RB001 %[1]s\n", batch)
	var within strings.Builder
	for _, how := range []string{"executeUpdate RB001", "prepared RB001", "returning RB001", "batch RB001 [-3, -3, -3]", "prepared batch RB001 [-3, -3, -3]"} {
		fmt.Fprintf(&within, "%s\nin a transaction %s\n", how, after)
	}
	return fmt.Sprintf("== %s\n%s%sparents gone %d\nwithin [1, 1, 0]\n", mode, alone, within.String(), gone)
}
