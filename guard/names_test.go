package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// The server keeps the name of a database as the bytes that it was given: in a cluster
// of another encoding they are no UTF-8.
func TestDatabase_NameInLatin1(t *testing.T) {
	const name = "b\xfcro"
	e := newEnv(t, blockPolicy())
	admin := connect(t, pgtest.Shared(t).URL("postgres"), pgx.QueryExecModeSimpleProtocol)
	passes(t, admin, "CREATE DATABASE latin1 ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
	t.Cleanup(func() { pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "DROP DATABASE latin1") })
	cfg, err := pgx.ParseConfig(pgtest.Shared(t).URL("latin1"))
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["client_encoding"] = "LATIN1"
	in, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close(t.Context())
	do := func(c *pgx.Conn, sql string) {
		t.Helper()
		if _, err := c.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	do(in, `CREATE DATABASE "`+name+`" ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`)
	defer do(in, `DROP DATABASE "`+name+`" WITH (FORCE)`)
	if cfg, err = pgx.ParseConfig(e.url); err != nil {
		t.Fatal(err)
	}
	cfg.Database = name
	c, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	do(c, "CREATE TABLE x (id int PRIMARY KEY); INSERT INTO x SELECT generate_series(1, 20)")
	do(c, "DELETE FROM x WHERE id <= 5")
	_, err = c.PgConn().Exec(t.Context(), "DELETE FROM x").ReadAll()
	wantCode(t, err, "RB001")
	if es := e.entries(journal.Filter{Outcome: journal.Committed}); len(es) != 1 || es[0].Rows != 5 {
		t.Errorf("%+v", es)
	}
}
