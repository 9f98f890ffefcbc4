package e2e

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/pgtest"
)

// Clients whose own suites make their tables: what they see of a DELETE over the
// threshold on the tables of testdata/clients.sql, each way in which they send one;
// and then of some within it, which the journal has.
var refusals = []struct {
	name    string
	command func(t *testing.T, url string) *exec.Cmd
	want    string
}{
	{"JDBC", asked(jdbc), jdbcSays("", "[-3, -3, -3]", "25P02", 0) +
		jdbcSays("&preferQueryMode=simple", "[1, -3, 1]", "25P02", 2) + // each of a batch is a Query of its own
		jdbcSays("&prepareThreshold=1&binaryTransfer=true", "[-3, -3, -3]", "25P02", 0) +
		jdbcSays("&prepareThreshold=-1", "[-3, -3, -3]", "25P02", 0) +
		jdbcSays("&preferQueryMode=extendedCacheEverything&autosave=always", "[-3, -3, -3]", "1", 0)},
	{"psycopg2", asked(python("psycopg2_suite.py")), says("%s DatabaseError RB001 ERROR 0\n", psycopg2Ways) + says("%s DatabaseError RB001 ERROR 3\n", psycopg2Ways) + "(1500, 1500)\n"},
	{"psql", func(t *testing.T, url string) *exec.Cmd {
		return pgtest.Shared(t).Command(t.Context(), "psql", "-X", "-At", "-f", "testdata/blocked.sql", url)
	}, `
psql:testdata/blocked.sql:3: ERROR:  RB001
RB001 0 true
psql:testdata/blocked.sql:5: ERROR:  RB001
DELETE 1
psql:testdata/blocked.sql:6: ERROR:  RB001
psql:testdata/blocked.sql:7: ERROR:  RB001
psql:testdata/blocked.sql:8: ERROR:  RB001
PREPARE
psql:testdata/blocked.sql:10: ERROR:  RB001
psql:testdata/blocked.sql:11: ERROR:  RB001
psql:testdata/blocked.sql:13: ERROR:  RB001
psql:testdata/blocked.sql:14: ERROR:  25P02
ROLLBACK
BEGIN
DELETE 1
psql:testdata/blocked.sql:20: ERROR:  RB001
goes on
COMMIT
1499|1499
DELETE 3
`},
}

var psycopg2Ways = []string{"execute", "returning", "several", "executemany", "execute_batch", "execute_values"}

// says is a line for each way in which a statement is sent.
func says(line string, ways []string) string {
	var b strings.Builder
	for _, how := range ways {
		fmt.Fprintf(&b, line, how)
	}
	return b.String()
}

// asked is a script that is called with "blocked".
func asked(script func(ctx context.Context, args ...string) *exec.Cmd) func(*testing.T, string) *exec.Cmd {
	return func(t *testing.T, url string) *exec.Cmd { return script(t.Context(), url, "blocked") }
}

func TestClients_ABlockedDelete(t *testing.T) {
	for _, c := range refusals {
		t.Run(c.name, func(t *testing.T) {
			database := tables(t)
			got := run(t, c.command(t, proxied(t, database)))
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
	alone := says("%s RB001\n", []string{"executeUpdate", "prepared", "returning"}) + says("%s RB001 "+batch+"\n", []string{"batch", "prepared batch"})
	within := says("%s\nin a transaction "+after+"\n", []string{"executeUpdate RB001", "prepared RB001", "returning RB001", "batch RB001 [-3, -3, -3]", "prepared batch RB001 [-3, -3, -3]"})
	return fmt.Sprintf("== %s\n%s%sparents gone %d\nwithin [1, 1, 0]\n", mode, alone, within, gone)
}

// pgx in each of its modes; a batch and a pipeline are one implicit transaction.
func TestPgx_ABlockedDelete(t *testing.T) {
	database := tables(t)
	for _, mode := range pgxModes {
		t.Run(mode.String(), func(t *testing.T) {
			config, err := pgx.ParseConfig(proxied(t, database))
			if err != nil {
				t.Fatal(err)
			}
			config.DefaultQueryExecMode = mode
			ctx := t.Context()
			c, err := pgx.ConnectConfig(ctx, config)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			count := func() (n int) {
				if err := c.QueryRow(ctx, "SELECT count(*) FROM parent").Scan(&n); err != nil {
					t.Error(err)
				}
				return n
			}
			exec := func(sql string, args ...any) error { _, err := c.Exec(ctx, sql, args...); return err }
			before := count()
			for _, begin := range []string{"", "BEGIN"} {
				for how, send := range map[string]func() error{
					"no arguments": func() error { return exec("DELETE FROM parent WHERE id <= 600") },
					"arguments":    func() error { return exec("DELETE FROM parent WHERE id <= $1", 600) },
					"returning": func() error {
						rows, _ := c.Query(ctx, "DELETE FROM parent WHERE id <= $1 RETURNING id", 600)
						_, err := pgx.CollectRows(rows, pgx.RowTo[int])
						return err
					},
					"batch": func() error {
						b := &pgx.Batch{}
						b.Queue("DELETE FROM parent WHERE id = $1", 601)
						b.Queue("DELETE FROM parent WHERE id <= $1", 600)
						b.Queue("DELETE FROM parent WHERE id = $1", 602)
						return c.SendBatch(ctx, b).Close()
					},
					"several": func() error {
						_, err := c.PgConn().Exec(ctx, "DELETE FROM parent WHERE id = 601; DELETE FROM parent WHERE id <= 600; SELECT 1").ReadAll()
						return err
					},
				} {
					if err := exec(begin); err != nil {
						t.Fatal(err)
					}
					status := map[string]byte{"": 'I', "BEGIN": 'E'}[begin]
					var e *pgconn.PgError
					if err := send(); !errors.As(err, &e) || e.Code != "RB001" || c.PgConn().TxStatus() != status {
						t.Errorf("%s %s: %v, status %c", begin, how, err, c.PgConn().TxStatus())
					}
					if err := exec("ROLLBACK"); err != nil {
						t.Fatal(err)
					}
					if n := count(); n != before {
						t.Errorf("%s %s: %d parents are left of %d", begin, how, n, before)
					}
				}
			}
			if err := exec("DELETE FROM parent WHERE id IN (SELECT max(id) FROM parent WHERE id < $1)", 1400); err != nil || count() != before-1 {
				t.Error(err)
			}
		})
	}
	evident(t, database)
}
