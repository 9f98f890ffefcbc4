package guard_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

const fiveAndFive = `DELETE FROM victim WHERE id > 5; CREATE TABLE other (id int);
	CREATE TABLE pp (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE pp1 PARTITION OF pp FOR VALUES FROM (0) TO (1000); INSERT INTO pp SELECT generate_series(1, 5)`

// TRUNCATE, DROP and DETACH take the rows that are there, whatever the transaction's
// snapshot shows of them.
func TestTake_BehindASnapshot(t *testing.T) {
	levels := map[string]policy.Mode{"REPEATABLE READ": policy.Block, "SERIALIZABLE": policy.Alert}
	for sql, table := range map[string]string{"TRUNCATE victim": "victim", "DROP TABLE victim": "victim", "ALTER TABLE pp DETACH PARTITION pp1": "pp"} {
		for name, x := range map[string]struct {
			meanwhile string
			rows      int64
			keys      bool
		}{
			"nothing happened": {"INSERT INTO other SELECT 1 FROM %s", 5, true},
			"rows came":        {"INSERT INTO %s SELECT generate_series(101, 200)", 105, false},
			"rows went":        {"DELETE FROM %s WHERE id > 2", 2, false},
			"one for another":  {"UPDATE %s SET id = 7 WHERE id = 5", 5, false},
			"the same again":   {"UPDATE %s SET id = id", 5, true},
			"all went":         {"TRUNCATE %s", 0, false},
		} {
			for level, mode := range levels {
				t.Run(fmt.Sprint(sql, ", ", level, ", ", name), func(t *testing.T) {
					e := newEnv(t, policy.Uniform(mode, 10), purges, fiveAndFive)
					c := e.connect(pgx.QueryExecModeSimpleProtocol)
					mustExec(t, c, "BEGIN ISOLATION LEVEL "+level)
					mustExec(t, c, "SELECT FROM log")
					mustExec(t, connect(t, e.direct, pgx.QueryExecModeExec), fmt.Sprintf(x.meanwhile, table))
					_, err := c.Exec(t.Context(), sql)
					if x.rows > 10 && mode == policy.Block {
						if sqlstate(err) != "RB001" || !strings.Contains(err.Error(), fmt.Sprintf("remove %d rows", x.rows)) {
							t.Error(err)
						}
						return
					}
					if err != nil {
						t.Fatal(err)
					}
					mustExec(t, c, "COMMIT")
					rows, keys := e.committed()
					if rows != x.rows || x.rows > 0 && keys != x.keys {
						t.Errorf("%d rows, keys captured: %v; want %d, %v", rows, keys, x.rows, x.keys)
					}
					if n := countRows(t, e, "SELECT count(*) FROM pg_constraint WHERE conname LIKE 'rowback%'"); n != 0 {
						t.Errorf("%d constraints are left behind", n)
					}
				})
			}
		}
	}
}

// committed is how many rows went by what the journal says, and whether all their keys are known.
func (e *env) committed() (rows int64, keys bool) {
	e.t.Helper()
	e.settle()
	keys = true
	for _, x := range e.entries(journal.Filter{Outcome: journal.Committed}) {
		rows += x.Rows
		for _, tb := range x.Tables {
			keys = keys && tb.KeysCaptured
		}
	}
	return rows, keys
}

// What a transaction has dropped or made before is no surprise.
func TestTake_SeveralInOneSnapshot(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 20), purges, fiveAndFive, "CREATE INDEX ON victim ((id + 1)); CREATE TABLE more (id int PRIMARY KEY, v text UNIQUE)")
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	for _, sql := range []string{"BEGIN ISOLATION LEVEL SERIALIZABLE", "SELECT FROM log", "CREATE TEMP TABLE tt (id int)", "DROP TABLE tt", "CREATE TABLE made (id int PRIMARY KEY)", "INSERT INTO made VALUES (1)", "DROP TABLE more",
		"TRUNCATE made", "DROP TABLE made", "TRUNCATE victim", "DROP TABLE victim", "TRUNCATE pp, other", "DO $$BEGIN CREATE TABLE x (id int PRIMARY KEY); DROP TABLE x; END$$", "DROP TABLE pp", "COMMIT"} {
		passes(t, c, sql)
	}
	if rows, keys := e.committed(); rows != 11 || !keys {
		t.Errorf("%d rows, keys captured: %v", rows, keys)
	}
}

// Who may truncate a table, and does not own it, cannot count what the snapshot does not show.
func TestTake_BehindASnapshotNotTheOwner(t *testing.T) {
	const role = "truncates_only"
	for _, mode := range []policy.Mode{policy.Block, policy.Alert} {
		e := newEnv(t, policy.Uniform(mode, 10), purges, fiveAndFive, "DROP ROLE IF EXISTS "+role, "CREATE ROLE "+role, "GRANT SELECT, TRUNCATE ON victim, other TO "+role)
		c := e.connect(pgx.QueryExecModeSimpleProtocol)
		mustExec(t, c, "SET ROLE "+role)
		mustExec(t, c, "BEGIN ISOLATION LEVEL REPEATABLE READ")
		mustExec(t, c, "TRUNCATE other") // nothing in it
		if mode == policy.Block {
			if pe := refused(t, c, "TRUNCATE victim", "snapshot"); !strings.Contains(pe.Hint, "READ COMMITTED") {
				t.Error(pe.Hint)
			}
			mustExec(t, c, "ROLLBACK")
			mustExec(t, c, "TRUNCATE victim") // at READ COMMITTED
			if rows, keys := e.committed(); rows != 5 || !keys {
				t.Errorf("%d rows, keys captured: %v", rows, keys)
			}
		} else {
			mustExec(t, c, "TRUNCATE victim")
			mustExec(t, c, "COMMIT")
			if rows, keys := e.committed(); rows < 5 || keys {
				t.Errorf("%d rows, keys captured: %v", rows, keys)
			}
		}
		pgtest.Exec(t, e.direct, "DROP OWNED BY "+role+"; DROP ROLE "+role)
	}
}

// A session's transactions are at its default level from the next one on.
func TestTake_BehindASnapshotByDefault(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), purges, fiveAndFive)
	c := dialRaw(t, e.url)
	other := connect(t, e.direct, pgx.QueryExecModeExec)
	c.say(q("DELETE FROM victim WHERE id = 1")) // the session is known by then
	c.say(q("SET default_transaction_isolation = 'repeatable read'"))
	for _, m := range cat(pbe("SELECT FROM log"), flush) {
		c.Send(m)
	}
	if err := c.Flush(); err != nil {
		t.Fatal(err)
	}
	for done := false; !done; { // the snapshot is taken
		m, err := c.Receive()
		if err != nil {
			t.Fatal(err)
		}
		_, done = m.(*pgproto3.CommandComplete)
	}
	mustExec(t, other, "INSERT INTO victim SELECT generate_series(101, 200)")
	if got := c.say(pbe("TRUNCATE victim"), syncMsg); !strings.Contains(got, `"RB001"`) {
		t.Error(got)
	}
}

// Whole rows are those that are there, too.
func TestTake_BehindASnapshotWholeRows(t *testing.T) {
	const table = `"it's ""$rowback$"" \ x"`
	for meanwhile, want := range map[string]bool{"UPDATE %s SET v = v": true, "UPDATE %s SET v = 'other' WHERE \"id x\" = 1": false} {
		for _, encoding := range []string{"UTF8", "LATIN1"} {
			p := policy.Uniform(policy.Block, 10)
			p.Default.Capture = policy.CaptureRows
			e := newEnv(t, p, "CREATE TABLE other (id int); CREATE TABLE "+table+` ("id x" int PRIMARY KEY, v text, g int GENERATED ALWAYS AS ("id x" + 1) STORED, n numeric[]); INSERT INTO `+table+` ("id x", v, n) VALUES (1, 'a', NULL), (2, NULL, '{1}')`)
			c := e.connect(pgx.QueryExecModeSimpleProtocol)
			mustExec(t, c, "SET client_encoding = "+encoding)
			mustExec(t, c, "BEGIN ISOLATION LEVEL SERIALIZABLE")
			mustExec(t, c, "SELECT FROM other")
			mustExec(t, connect(t, e.direct, pgx.QueryExecModeExec), fmt.Sprintf(meanwhile, table))
			mustExec(t, c, "TRUNCATE "+table)
			mustExec(t, c, "COMMIT")
			rows, keys := e.committed()
			tb := e.entries(journal.Filter{})[0].Tables[0]
			if rows != 2 || keys != want || tb.RowsCaptured != want {
				t.Errorf("%s, %s: %d rows, keys captured: %v, rows captured: %v", meanwhile, encoding, rows, keys, tb.RowsCaptured)
			}
		}
	}
}

// A partition that was made since the snapshot goes with the rest, and no query shows it.
func TestTake_PartitionMadeSinceTheSnapshot(t *testing.T) {
	for _, sql := range []string{"TRUNCATE pp", "DROP TABLE pp", "SELECT trunc()"} {
		for _, mode := range []policy.Mode{policy.Block, policy.Alert} {
			e := newEnv(t, policy.Uniform(mode, 10), purges, fiveAndFive, "CREATE FUNCTION trunc() RETURNS int LANGUAGE plpgsql AS $$BEGIN TRUNCATE pp; RETURN 1; END$$")
			c, other := e.connect(pgx.QueryExecModeSimpleProtocol), connect(t, e.direct, pgx.QueryExecModeExec)
			mustExec(t, c, "DELETE FROM pp") // the catalog has been read
			mustExec(t, c, "BEGIN ISOLATION LEVEL SERIALIZABLE")
			mustExec(t, c, "SELECT FROM log")
			mustExec(t, other, "CREATE TABLE pp2 PARTITION OF pp FOR VALUES FROM (1000) TO (2000)")
			mustExec(t, other, "INSERT INTO pp SELECT generate_series(1001, 1100)")
			if mode == policy.Block {
				refused(t, c, sql)
				continue
			}
			mustExec(t, c, sql)
			mustExec(t, c, "COMMIT")
			if rows, keys := e.committed(); rows < 6 || keys {
				t.Errorf("%s: %d rows, keys captured: %v", sql, rows, keys)
			}
		}
	}
}
