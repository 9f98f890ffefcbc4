package crash

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// tables: parents with children, and what the trigger wrote of both.
const tables = `
CREATE TABLE parents (id int PRIMARY KEY, a text);
CREATE TABLE children (id int PRIMARY KEY, parent_id int NOT NULL REFERENCES parents ON DELETE CASCADE);
CREATE INDEX ON children (parent_id);
CREATE TABLE deleted_log (t text, id int);
CREATE FUNCTION log_deleted() RETURNS trigger LANGUAGE plpgsql AS
	$$ BEGIN INSERT INTO public.deleted_log VALUES (TG_TABLE_NAME, OLD.id); RETURN NULL; END $$;
CREATE TRIGGER log AFTER DELETE ON parents FOR EACH ROW EXECUTE FUNCTION log_deleted();
CREATE TRIGGER log AFTER DELETE ON children FOR EACH ROW EXECUTE FUNCTION log_deleted();
INSERT INTO parents SELECT i, 'x' FROM generate_series(1, 40000) i;
INSERT INTO children SELECT i, (i + 1) / 2 FROM generate_series(1, 80000) i;
ANALYZE`

const parents = 40000

// loadName is the application_name of sessions whose client goes away amid a statement.
const loadName = "load"

// clients delete at random until their context ends, whatever becomes of the proxy.
type clients struct {
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func startClients(t *testing.T, n int, url string) *clients {
	ctx, cancel := context.WithCancel(context.Background())
	c := &clients{cancel: cancel}
	modes := []pgx.QueryExecMode{pgx.QueryExecModeSimpleProtocol, pgx.QueryExecModeExec, pgx.QueryExecModeCacheStatement}
	for i := range n {
		cfg, err := pgx.ParseConfig(url)
		if err != nil {
			t.Fatal(err)
		}
		cfg.DefaultQueryExecMode = modes[i%len(modes)]
		cfg.RuntimeParams["application_name"] = loadName
		c.wg.Go(func() {
			for ctx.Err() == nil {
				// An error is a killed proxy or server: connect again.
				conn, err := pgx.ConnectConfig(ctx, cfg)
				if err != nil {
					pause(ctx)
					continue
				}
				for ctx.Err() == nil && transact(ctx, conn, i) == nil {
				}
				_ = conn.Close(ctx)
			}
		})
	}
	t.Cleanup(c.stop)
	return c
}

// pause leaves the processor to what the clients wait for.
func pause(ctx context.Context) {
	select {
	case <-ctx.Done():
	case <-time.After(10 * time.Millisecond):
	}
}

func (c *clients) stop() {
	c.cancel()
	c.wg.Wait()
}

// transact is one random transaction.
func transact(ctx context.Context, conn *pgx.Conn, client int) error {
	id := rand.IntN(parents)
	run := func(statements ...string) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return err
			}
		}
		return nil
	}
	del := func(id int) string {
		return fmt.Sprintf("DELETE FROM parents WHERE id BETWEEN %d AND %d", id, id+rand.IntN(4))
	}
	switch rand.IntN(7) {
	case 0:
		return run("BEGIN", del(id), "COMMIT")
	case 1:
		return run("BEGIN", del(id), "SAVEPOINT s", "DELETE FROM children WHERE parent_id = "+strconv.Itoa(id+10), "ROLLBACK TO s", "COMMIT")
	case 2:
		return run("BEGIN", del(id), "ROLLBACK")
	case 3:
		return run("DELETE FROM children WHERE parent_id = " + strconv.Itoa(id))
	case 4:
		if _, err := conn.Exec(ctx, "DELETE FROM children WHERE id = $1", id); err != nil {
			return err
		}
		return nil
	case 5:
		b := &pgx.Batch{}
		for i := range 3 {
			b.Queue("DELETE FROM parents WHERE id = $1", id+i)
		}
		return conn.SendBatch(ctx, b).Close()
	}
	return run(del(id))
}
