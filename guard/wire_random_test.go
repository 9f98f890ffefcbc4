package guard_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/testcert"
	"github.com/rowback/rowback/proxy"
)

// script is a random exchange: statements that remove rows or do not, in both
// protocols, with names, portals, blocks, savepoints, errors, wrong values, and
// messages that do not belong together.
type script struct {
	*rand.Rand
	out   messages
	purge uint32         // the function's OID
	apart *regexp.Regexp // what is not put into a Query of several statements
}

func pick[T any](s *script, of ...T) T { return of[s.IntN(len(of))] }

var scriptStatements = []string{
	"DELETE FROM plain WHERE id = $1::int", "DELETE FROM plain WHERE id = $1::int RETURNING id, a", "DELETE FROM orders WHERE id = $1::int",
	"DELETE FROM orders WHERE id BETWEEN $1::int AND $1::int + 2 RETURNING *", "DELETE FROM tree WHERE id > $1::int + 20", "DELETE FROM parent WHERE id = $1::int",
	"DELETE FROM plain p USING orders o WHERE o.id = p.id AND o.id = $1::int RETURNING o.kind", "DELETE FROM plain WHERE 10 / (id - $1::int) < 0",
	"WITH d AS (DELETE FROM plain WHERE id = $1::int RETURNING id) SELECT count(*) FROM d", "SELECT purge($1::int)", "SELECT id FROM plain WHERE id < $1::int ORDER BY id",
	"UPDATE plain SET a = 'x' WHERE id = $1::int", "INSERT INTO plain VALUES ($1::int + 500, 'new') ON CONFLICT DO NOTHING", "SELECT count(*), sum(id) FROM orders WHERE id <> $1::int",
	"DELETE FROM lists WHERE id = $1::int", "DELETE FROM lists WHERE id < $1::int RETURNING tableoid::regclass, *", "DELETE FROM heirs WHERE id = $1::int", "DELETE FROM ONLY heirs WHERE id > $1::int RETURNING id",
	"DELETE FROM payments WHERE id = $1::int", "DELETE FROM tree WHERE id = $1::int", "DELETE FROM few WHERE id = $1::int", "COPY small FROM STDIN", "COPY (SELECT $1::int) TO STDOUT", "EXPLAIN (COSTS OFF) DELETE FROM plain WHERE id = $1::int", "SHOW work_mem",
	"DELETE FROM nope WHERE id = $1::int", "DELET FROM plain", "DELETE FROM plain WHERE id = $1::int; SELECT 2",
	"MERGE INTO plain p USING (SELECT $1::int AS id) s ON p.id = s.id WHEN MATCHED THEN DELETE", "DELETE FROM seen WHERE id = $1::int RETURNING *", "CALL removes($1::int)", "DECLARE c CURSOR FOR SELECT id FROM plain WHERE id > $1::int ORDER BY id",
	"WITH d AS (DELETE FROM plain WHERE id = $1::int RETURNING id) INSERT INTO small SELECT id + 100 FROM d ON CONFLICT DO NOTHING", "SELECT id FROM plain WHERE id = $1::int FOR UPDATE", "DELETE FROM child WHERE id = $1::int", "DELETE FROM plain WHERE id = $1::int AND a <> E'\\\\'",
}

var scriptTexts = []string{
	"BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "ROLLBACK TO a", "RELEASE a", "SELECT 1/0", "", "SELECT count(*) FROM plain", "DELETE FROM plain WHERE id < 3", "DELETE FROM orders WHERE id = 4 RETURNING id",
	"DELETE FROM plain WHERE id = 5; SELECT 7", "SET LOCAL statement_timeout = '1h'; DELETE FROM plain WHERE id = 12; SHOW statement_timeout", "BEGIN; DELETE FROM plain WHERE id = 6", "DELETE FROM plain WHERE id = 7; SELECT 1/0", "SET application_name = 'x'", "SHOW application_name", "TRUNCATE small",
	"DEALLOCATE ALL", "DISCARD ALL", "CLOSE ALL", "SELECT name, statement FROM pg_prepared_statements ORDER BY 1", "SELECT name FROM pg_cursors ORDER BY 1", "DO $$ BEGIN DELETE FROM plain WHERE id = 8; END $$",
	"DECLARE c CURSOR FOR SELECT id FROM plain ORDER BY id FOR UPDATE", "FETCH c", "DELETE FROM plain WHERE CURRENT OF c", "SET search_path = nowhere", "RESET search_path", "BEGIN ISOLATION LEVEL SERIALIZABLE",
	"CREATE TEMP TABLE IF NOT EXISTS plain (id int)", "DROP TABLE IF EXISTS pg_temp.plain", "COPY small TO STDOUT", "SELECT lastval(), currval('drawn'), nextval('drawn')", "ALTER TABLE plain ADD IF NOT EXISTS z int", "BEGIN READ ONLY", "PREPARE x AS DELETE FROM plain WHERE id = 9", "EXECUTE x",
	"DELETE FROM lists WHERE id < 5; COPY small TO STDOUT; SELECT 3", "DELETE FROM heirs; FETCH c; SHOW work_mem; EXPLAIN (COSTS OFF) DELETE FROM plain", "SELECT 1; DELETE FROM few WHERE id < 2; ; SELECT 2", "BEGIN; DELETE FROM tree WHERE id = 30; SAVEPOINT a; DELETE FROM nope", ";", "BEGIN; DELETE FROM plain WHERE id = 20; COMMIT; DELETE FROM plain WHERE id = 21; SELECT 1/0",
	"COPY (DELETE FROM plain WHERE id = 22 RETURNING *) TO STDOUT", "DELETE FROM plain WHERE id = 23; SELECT purge(24)", "DELETE FROM lists; ROLLBACK", "DROP TABLE IF EXISTS lists_2", "DELETE FROM plain WHERE id = 30; COMMIT AND CHAIN; SELECT 1", "SET statement_timeout = 0; DELETE FROM plain WHERE id = 31; RESET ALL", "SET row_security = off",
	"DELETE FROM plain WHERE id = 14; SELEKT 1", "ROLLBACK; SELEKT 2", "MERGE INTO plain p USING (SELECT 15 AS id) s ON p.id = s.id WHEN MATCHED THEN DELETE", "TRUNCATE small; SELECT 1", "CALL twice()", "CALL removes(16)", "DO $$ BEGIN COMMIT; END $$", "LISTEN heard", "NOTIFY heard, 'it'", "UNLISTEN heard",
	"SET ROLE pg_monitor", "RESET ROLE", "LOCK TABLE plain IN SHARE MODE", "VACUUM plain", "DECLARE h CURSOR WITH HOLD FOR SELECT id FROM plain ORDER BY id", "FETCH 2 FROM h", "CLOSE h", "MOVE c", "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "SET CONSTRAINTS ALL DEFERRED", "DELETE FROM parent WHERE id = 1", "INSERT INTO child VALUES (9, 9)",
	"SET default_transaction_read_only = on", "RESET default_transaction_read_only", "SET standard_conforming_strings = off", "RESET standard_conforming_strings", `SELECT 'a\b'`, `DELETE FROM plain WHERE a = 'a\b'`, "ALTER TABLE plain DROP COLUMN IF EXISTS z", "ALTER TABLE plain RENAME TO plain2", "ALTER TABLE plain2 RENAME TO plain", "CREATE INDEX IF NOT EXISTS plain_a ON plain (a)",
	"EXECUTE y(3)", "PREPARE y(int) AS SELECT $1 + 1", "DEALLOCATE x", "DEALLOCATE s", "DISCARD PLANS", "DISCARD TEMP", "EXPLAIN (COSTS OFF) EXECUTE x", "SELECT count(n_tup_del) FROM pg_stat_xact_user_tables WHERE relname = 'plain'", "SELECT pg_current_xact_id_if_assigned() IS NULL", "SHOW transaction_isolation", "SHOW transaction_read_only",
	"UPDATE plain SET id = id + 1000 WHERE id = 18 RETURNING *", "SELECT id FROM plain WHERE id = 19 FOR UPDATE", "CREATE TABLE made (id int PRIMARY KEY)", "DROP TABLE IF EXISTS made, lists_1", "ALTER TABLE lists DETACH PARTITION lists_1", "ALTER TABLE lists ATTACH PARTITION lists_1 FOR VALUES IN (1)", "DELETE FROM seen WHERE id = 26", "SELECT * FROM nope",
	"ROLLBACK AND CHAIN", "COMMIT AND CHAIN", "ABORT", "END", "START TRANSACTION READ ONLY", "SAVEPOINT b", "ROLLBACK TO b", "RELEASE b", "CREATE OR REPLACE FUNCTION free(n int) RETURNS int LANGUAGE sql AS 'SELECT purge(n)'", "SELECT free(1)", "DROP FUNCTION IF EXISTS free",
}

const scriptTables = `
CREATE TABLE lists (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE lists_0 PARTITION OF lists FOR VALUES IN (0); CREATE TABLE lists_1 PARTITION OF lists FOR VALUES IN (1); CREATE TABLE lists_2 PARTITION OF lists DEFAULT;
INSERT INTO lists SELECT i, i % 3 FROM generate_series(1, 40) i;
CREATE TABLE heirs (id int PRIMARY KEY); CREATE TABLE heir (more text, PRIMARY KEY (id)) INHERITS (heirs); INSERT INTO heirs SELECT generate_series(1, 20); INSERT INTO heir SELECT generate_series(10, 40), 'more';
CREATE TABLE few (id int, a text); INSERT INTO few SELECT i % 10, 'few' FROM generate_series(1, 30) i;
CREATE SEQUENCE drawn START 700;
CREATE VIEW seen AS SELECT * FROM plain; CREATE FUNCTION free(n int) RETURNS int LANGUAGE sql AS 'SELECT n';
CREATE PROCEDURE removes(n int) LANGUAGE plpgsql AS $$ BEGIN DELETE FROM plain WHERE id = n; DELETE FROM plain WHERE id = n + 1; END $$;
`

func (s *script) name() string   { return pick(s, "", "", "", "s", "t") }
func (s *script) portal() string { return pick(s, "", "", "", "p") }

func (s *script) bind() *pgproto3.Bind {
	b := &pgproto3.Bind{DestinationPortal: s.portal(), PreparedStatement: s.name(), Parameters: [][]byte{[]byte(strconv.Itoa(s.IntN(40)))}}
	switch s.IntN(12) {
	case 0:
		b.Parameters = nil
	case 1:
		b.Parameters[0] = []byte("x")
	case 2:
		b.Parameters[0] = nil
	case 3:
		b.ResultFormatCodes = []int16{1}
	case 4:
		b.ResultFormatCodes = []int16{0, 1}
	case 5:
		b.ParameterFormatCodes, b.Parameters[0] = []int16{1}, []byte{0, 0, 0, byte(s.IntN(40))}
	}
	return b
}

// step adds one thing that a client may do.
func (s *script) step() {
	add := func(ms ...pgproto3.FrontendMessage) { s.out = append(s.out, ms...) }
	sql := func() string {
		if s.IntN(3) == 0 {
			return pick(s, scriptTexts...)
		}
		return pick(s, scriptStatements...)
	}
	switch s.IntN(17) {
	case 14: // COPY with its data
		if s.IntN(3) == 0 {
			name := s.name()
			add(&pgproto3.Parse{Name: name, Query: "COPY small FROM STDIN"}, &pgproto3.Bind{PreparedStatement: name}, &pgproto3.Execute{})
		} else {
			add(&pgproto3.Query{String: pick(s, "COPY small FROM STDIN", "DELETE FROM plain WHERE id = 11; COPY small FROM STDIN; DELETE FROM plain WHERE id = 12", "COPY small FROM STDIN; SELECT 1/0", "COPY small FROM STDIN; DELETE FROM few WHERE id = 3", "BEGIN; DELETE FROM orders WHERE id = 13; COPY small FROM STDIN; SELECT 1")})
		}
		for range s.IntN(3) {
			add(&pgproto3.CopyData{Data: []byte(pick(s, strconv.Itoa(s.IntN(40))+"\n", "7\n", "x\n"))})
		}
		if s.IntN(4) == 0 {
			add(&pgproto3.CopyFail{Message: "no"})
		} else {
			add(&pgproto3.CopyDone{})
		}
		add(&pgproto3.Sync{})
	case 15:
		add(&pgproto3.FunctionCall{Function: pick(s, s.purge, s.purge, 1), Arguments: [][]byte{[]byte(strconv.Itoa(s.IntN(40)))}, ArgFormatCodes: []uint16{0}, ResultFormatCode: uint16(s.IntN(2))})
	case 16:
		text := pick(s, scriptTexts...) + "; " + pick(s, scriptTexts...) + "; " + pick(s, scriptTexts...)
		if !s.apart.MatchString(text) {
			add(&pgproto3.Query{String: text})
		}
	case 0, 1, 2:
		text := pick(s, scriptTexts...)
		if strings.Contains(text, "pg_cursors") { // amid a pipeline it sees the portal that it runs in
			add(&pgproto3.Sync{})
		}
		add(&pgproto3.Query{String: text})
	case 3:
		add(&pgproto3.Parse{Name: s.name(), Query: sql()})
	case 4:
		add(s.bind())
	case 5:
		add(&pgproto3.Execute{Portal: s.portal(), MaxRows: pick(s, uint32(0), 0, 1, 2)})
	case 6:
		if s.IntN(2) == 0 {
			add(&pgproto3.Describe{ObjectType: 'P', Name: s.portal()})
		} else {
			add(&pgproto3.Describe{ObjectType: 'S', Name: s.name()})
		}
	case 7:
		if s.IntN(2) == 0 {
			add(&pgproto3.Close{ObjectType: 'P', Name: s.portal()})
		} else {
			add(&pgproto3.Close{ObjectType: 'S', Name: s.name()})
		}
	case 8:
		add(&pgproto3.Sync{})
	case 9:
		add(&pgproto3.Flush{})
	case 10, 11: // as drivers do
		name := s.name()
		b := s.bind()
		b.PreparedStatement, b.DestinationPortal = name, ""
		add(&pgproto3.Parse{Name: name, Query: sql()}, b, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{})
	case 12, 13: // a batch
		name := s.name()
		if s.IntN(3) > 0 {
			add(&pgproto3.Parse{Name: name, Query: pick(s, scriptStatements...)})
		}
		for range 1 + s.IntN(6) {
			b := s.bind()
			b.PreparedStatement, b.DestinationPortal = name, ""
			add(b)
			if s.IntN(2) == 0 {
				add(&pgproto3.Describe{ObjectType: 'P'})
			}
			add(&pgproto3.Execute{MaxRows: pick(s, uint32(0), 0, 1)})
		}
		if s.IntN(2) == 0 {
			add(&pgproto3.Sync{})
		}
	}
}

// Through the proxy a session gets what it gets from the server, whatever it
// sends. SEEDS=from-to runs other seeds.
func TestWire_RandomExchangesAreTheServers(t *testing.T) {
	from, to := 1, 60
	if text := os.Getenv("SEEDS"); text != "" {
		if n, err := fmt.Sscanf(text+" ", "%d-%d ", &from, &to); n == 1 {
			to = from
		} else if err != nil {
			t.Fatalf("SEEDS: %v", err)
		}
	}
	rows := policy.Uniform(policy.Block, 1000)
	rows.Default.Capture = policy.CaptureRows
	policies := []policy.Policy{policy.Uniform(policy.Block, 1000), policy.Uniform(policy.Alert, 1), rows}
	e := newEnv(t, policies[0], shop, wireExtra, scriptTables)
	urls := []string{e.url}
	var purge, last uint32 // tables that a script makes have OIDs of the cluster's counter
	c := connect(t, e.direct, pgx.QueryExecModeExec)
	if err := c.QueryRow(context.Background(), "SELECT 'purge'::regproc::oid, max(oid) FROM pg_class").Scan(&purge, &last); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(context.Background()); err != nil { // the database is a template
		t.Fatal(err)
	}
	cert, key := testcert.New(t).Issue(t, "proxy")
	var err error
	if e.tls, err = proxy.LoadTLS(cert, key, ""); err != nil {
		t.Fatal(err)
	}
	for _, p := range policies[1:] {
		e.start(p, e.journal)
		urls = append(urls, e.url)
		e.tls = nil // the first of them under TLS
	}
	admin, apart := pgtest.Shared(t).URL("postgres"), regexp.MustCompile(seesItself)
	if pgtest.Shared(t).Version() < 18 {
		apart = regexp.MustCompile(seesItself + "|" + seesBlocks)
	}
	for seed := from; seed <= to; seed++ {
		s := &script{Rand: rand.New(rand.NewPCG(uint64(seed), 7)), purge: purge, apart: apart}
		for range 4 + s.IntN(20) {
			s.step()
		}
		s.out = finished(lawful(s.out))
		if v := pgtest.Shared(t).Version(); v < 14 || v >= 18 {
			s.out = synced(s.out)
		}
		if replacesUnderHold(s.out) {
			continue
		}
		var said [2][]string
		for i, url := range []string{e.direct, urls[seed%len(urls)]} {
			db := fmt.Sprintf("%s_%d", e.database, seed) // of one name it would be one database, whose catalog is known
			pgtest.Shared(t).CreateDatabase(t, db, e.database)
			said[i] = recite(t, strings.Replace(url, e.database, db, 1), db, s.out)
			for n, line := range said[i] {
				said[i][n] = oidField.ReplaceAllStringFunc(line, func(field string) string {
					if oid, err := strconv.ParseUint(field[len(`"TableOID":`):], 10, 32); err != nil || uint32(oid) <= last {
						return field
					}
					return `"TableOID":"made"`
				})
			}
			pgtest.Exec(t, admin, "DROP DATABASE "+db+" WITH (FORCE)")
		}
		for n := range min(len(said[0]), len(said[1])) {
			if said[0][n] != said[1][n] {
				said[0], said[1] = said[0][n:], said[1][n:]
				break
			}
		}
		if strings.Join(said[0], "\n") == strings.Join(said[1], "\n") {
			continue
		}
		var sent []string
		for _, m := range s.out {
			b, err := json.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			sent = append(sent, string(b))
		}
		t.Errorf("SEEDS=%d\nsent:\n%s\nthe server, from where they differ:\n%s\nthe proxy:\n%s", seed, strings.Join(sent, "\n"), strings.Join(said[0], "\n"), strings.Join(said[1], "\n"))
	}
}

// What sees the portal or the text that it runs in, or is warned of by that, is as at the
// server in a Query of its own; before PostgreSQL 18 what tells an implicit block from none, too.
const (
	seesItself = `pg_cursors|PREPARE|\\`
	seesBlocks = `DECLARE|LOCK TABLE|DISCARD ALL|VACUUM|CALL|COMMIT; END`
)

var oidField = regexp.MustCompile(`"TableOID":[0-9]+`)

// lawful is a script in which the unnamed portal is executed only behind a Bind of it in the
// same exchange, and any described. In a block that of a Query which failed stays, its statements are in memory
// that the server has freed, and an Execute of it answers by what is found there, or crashes the server.
// Of which portal a Bind that failed has left there nobody tells rowback.
func lawful(script messages) messages {
	bound := map[string]bool{}
	for n, m := range script {
		switch m := m.(type) {
		case *pgproto3.Query, *pgproto3.FunctionCall, *pgproto3.Sync:
			clear(bound)
		case *pgproto3.Bind:
			bound[m.DestinationPortal] = true
		case *pgproto3.Execute:
			if m.Portal == "" && !bound[""] {
				script[n] = &pgproto3.Execute{Portal: "p", MaxRows: m.MaxRows}
			}
		case *pgproto3.Describe:
			if m.ObjectType == 'P' && !bound[m.Name] {
				script[n] = &pgproto3.Flush{}
			}
		}
	}
	return script
}

// replacesUnderHold: a function comes to delete while a cursor WITH HOLD may be open, which
// block mode refuses at COMMIT.
func replacesUnderHold(script messages) bool {
	texts, err := json.Marshal(script)
	return err == nil && strings.Contains(string(texts), "WITH HOLD") && strings.Contains(string(texts), "REPLACE FUNCTION free")
}

// finished is a script in which a portal that removes rows and returns some ends. What one
// that waits for another Execute has removed is there for the server's next statements,
// unless one has ended between, as rowback's own do.
func finished(script messages) (out messages) {
	texts, portals := map[string]string{}, map[string]string{}
	for n, m := range script {
		out = append(out, m)
		switch m := m.(type) {
		case *pgproto3.Parse:
			texts[m.Name] = m.Query
		case *pgproto3.Bind:
			portals[m.DestinationPortal] = texts[m.PreparedStatement]
		case *pgproto3.Execute:
			next, again := script[min(n+1, len(script)-1)].(*pgproto3.Execute)
			if again = again && next != m && next.Portal == m.Portal; m.MaxRows > 0 && !again && removing.MatchString(portals[m.Portal]) {
				out = append(out, &pgproto3.Execute{Portal: m.Portal})
			}
		}
	}
	return out
}

var removing = regexp.MustCompile(`(?s)DELETE.*(RETURNING|SELECT)|purge|free|EXECUTE`)

// synced is a script with a Sync before each Query and FunctionCall that is amid
// something else, and each Bind of what needs a block behind others without an Execute.
// Since PostgreSQL 18 the transaction that they leave behind, or find, there hangs
// on whether a message was executed before them, rowback's own included (and the
// server's next message may fail with XX000). Before 14 what cannot be parsed there has
// effects: see misspelt.
func synced(script messages) (out messages) {
	texts := map[string]string{}
	amid, bound, ran := false, false, false
	sync := func() {
		out = append(out, &pgproto3.Sync{})
		bound, ran = false, false
	}
	for _, m := range script {
		switch m := m.(type) {
		case *pgproto3.Query, *pgproto3.FunctionCall:
			if amid {
				sync()
			}
			amid, bound, ran = false, false, false
		case *pgproto3.Sync:
			amid, bound, ran = false, false, false
		case *pgproto3.Parse:
			texts[m.Name], amid = m.Query, true
		case *pgproto3.Bind:
			if bound && !ran && needsBlock.MatchString(texts[m.PreparedStatement]) {
				sync()
			}
			amid, bound = true, true
		case *pgproto3.Execute:
			amid, ran = true, true
		default:
			amid = true
		}
		out = append(out, m)
	}
	return out
}

var needsBlock = regexp.MustCompile("DECLARE|LOCK TABLE")

// recite sends a script and returns all answers. What of it is open at its end is
// ended, so that a marker shows where the answers end.
func recite(t *testing.T, url, db string, ms messages) (out []string) {
	t.Helper()
	r := dialRaw(t, url)
	defer r.conn.Close()
	r.Send(&pgproto3.Query{String: "SELECT nextval('drawn')"})
	for _, m := range ms {
		r.Send(m)
	}
	for _, m := range cat(messages{&pgproto3.CopyFail{}}, syncMsg, q("ROLLBACK"), q("RESET search_path"), q("SELECT count(*) FROM public.plain"), q("SELECT count(*) FROM orders"), q("SELECT lastval(), currval('drawn')"), q("SELECT 'the end'")) {
		r.Send(m)
	}
	for !strings.Contains(strings.Join(out, ""), "the end") {
		said, err := r.said(1)
		if out = append(out, said...); err != nil {
			if len(out) == 0 || !strings.Contains(out[len(out)-1], `"FATAL"`) {
				t.Fatalf("at %s: after %q: %v", url, out, err)
			}
			break // the server ends a session whose messages it cannot tell apart any more
		}
	}
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], db, "DB")
	}
	return out
}
