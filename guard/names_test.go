package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
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

// Names of savepoints and prepared transactions are the client's bytes: what is kept of
// the rows is never less than what has gone, and exact where one name is used at a time.
func TestNames_InLatin1(t *testing.T) {
	long := strings.Repeat("x", 62)
	for name, c := range map[string]struct {
		run         []messages
		left, noted int
	}{
		"prepared":             {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id <= 8"), q("PREPARE TRANSACTION '\xe4'"), q("COMMIT PREPARED U&'\\00e4'")}, 12, 8},
		"prepared, extended":   {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id <= 8"), cat(pbe("PREPARE TRANSACTION '\xe4'"), syncMsg), cat(pbe("COMMIT PREPARED '\xe4'"), syncMsg)}, 12, 8},
		"prepared, taken back": {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id <= 8"), q("PREPARE TRANSACTION '\xe4'"), q("ROLLBACK PREPARED '\xe4'")}, 20, 0},
		"back to a savepoint":  {[]messages{q("BEGIN"), q("SAVEPOINT \xe4"), q("DELETE FROM victim WHERE id <= 8"), q("ROLLBACK TO \xe4"), q("DELETE FROM victim WHERE id = 1"), q("COMMIT")}, 19, 1},
		"between two": {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id = 1"), q("SAVEPOINT a"), q("DELETE FROM victim WHERE id = 2"), cat(pbe("SAVEPOINT \xe4"), syncMsg), q("DELETE FROM victim WHERE id <= 8"),
			cat(pbe("ROLLBACK TO \xe4"), syncMsg), q("RELEASE \xe4"), q("ROLLBACK TO a"), q("COMMIT")}, 19, 1},
		"the outer of two": {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id = 1"), q("SAVEPOINT \xe4"), q("DELETE FROM victim WHERE id = 2"), q("SAVEPOINT \xf6"), q("DELETE FROM victim WHERE id = 3"), q("ROLLBACK TO \xe4"), q("COMMIT")}, 19, 2},
		"the same, said in two encodings": {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id = 1"), q("SAVEPOINT \xe4"), q("DELETE FROM victim WHERE id <= 8"), q("SET client_encoding = UTF8"), q("SAVEPOINT ä"), q("DELETE FROM victim WHERE id <= 10"),
			q("SET client_encoding = LATIN1"), q("ROLLBACK TO \xe4"), q("COMMIT")}, 12, 8},
		"the same, once cut": {[]messages{q("BEGIN"), q("DELETE FROM victim WHERE id = 1"), q("SAVEPOINT \xe4"), q("DELETE FROM victim WHERE id <= 8"), q("SAVEPOINT " + long), q("DELETE FROM victim WHERE id <= 10"), q("ROLLBACK TO " + long + "\xe4"), q("COMMIT")}, 12, 8},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges)
			talkAll(t, e.url, append([]messages{q("SET client_encoding = LATIN1")}, c.run...))
			e.settle()
			var noted int64
			for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
				noted += x.Rows
			}
			if left := len(e.victims()); left != c.left || noted != int64(c.noted) {
				t.Errorf("%d rows are left of 20, want %d; %d are noted, want %d; all entries: %+v", left, c.left, noted, c.noted, e.entries(journal.Filter{}))
			}
		})
	}
}
