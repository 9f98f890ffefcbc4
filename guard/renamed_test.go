package guard_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// A database that gets another one's name is not judged by that one's catalog.
func TestDatabase_GetsAnothersName(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
	other := pgtest.Database(t, purges, "CREATE TRIGGER tr AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION purge_trigger()")
	insert := func() error {
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		defer c.Close(context.Background())
		_, err := c.Exec(t.Context(), "INSERT INTO log VALUES (1)")
		return err
	}
	for range 2 { // the catalog is known then
		if err := insert(); err != nil {
			t.Fatal(err)
		}
	}
	admin := connect(t, strings.Replace(e.url, "/"+e.database, "/postgres", 1), pgx.QueryExecModeSimpleProtocol)
	rename := func(from, to string) {
		t.Helper()
		for deadline := time.Now().Add(pollTime); ; {
			_, err := admin.Exec(context.Background(), "ALTER DATABASE "+from+" RENAME TO "+to)
			if err == nil {
				return
			}
			if sqlstate(err) != "55006" || time.Now().After(deadline) { // its last session is still going
				t.Fatal(err)
			}
		}
	}
	rename(e.database, "set_aside")
	rename(other, e.database)
	err := insert()
	rename(e.database, other)
	rename("set_aside", e.database)
	if sqlstate(err) != "RB001" {
		t.Error(err)
	}
}
