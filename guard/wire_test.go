package guard_test

import (
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// raw is a connection on which a test writes single protocol messages.
type raw struct {
	*pgproto3.Frontend
	t    *testing.T
	conn net.Conn
}

func dialRaw(t *testing.T, target string) *raw {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil { // a hang fails with what came before
		t.Fatal(err)
	}
	if u.Query().Get("sslmode") == "require" {
		answer := make([]byte, 1)
		if _, err := conn.Write([]byte{0, 0, 0, 8, 4, 210, 22, 47}); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(conn, answer); err != nil || answer[0] != 'S' {
			t.Fatalf("answer to SSLRequest %q, %v", answer, err)
		}
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	r := &raw{Frontend: pgproto3.NewFrontend(conn, conn), t: t, conn: conn}
	r.Send(&pgproto3.StartupMessage{ProtocolVersion: pgproto3.ProtocolVersionNumber, Parameters: map[string]string{"user": "postgres", "database": strings.TrimPrefix(u.Path, "/")}})
	r.answers(1)
	return r
}

// answers flushes and reads until n ReadyForQuery have come; asynchronous and
// per-connection messages are left out.
func (r *raw) answers(n int) []string {
	r.t.Helper()
	out, err := r.said(n)
	if err != nil {
		r.t.Fatalf("after %q: %v", out, err)
	}
	return out
}

// said is answers, as far as they came.
func (r *raw) said(n int) (out []string, err error) {
	r.t.Helper()
	if err := r.Flush(); err != nil {
		return nil, err
	}
	for n > 0 {
		m, err := r.Receive()
		if err != nil {
			return out, err
		}
		switch m := m.(type) {
		case *pgproto3.BackendKeyData, *pgproto3.AuthenticationOk:
			continue
		case *pgproto3.ReadyForQuery:
			n--
		case *pgproto3.NotificationResponse:
			m.PID = 0
		case *pgproto3.ErrorResponse:
			withoutPlace(m)
		case *pgproto3.NoticeResponse:
			withoutPlace((*pgproto3.ErrorResponse)(m))
		}
		b, err := json.Marshal(m)
		if err != nil {
			r.t.Fatal(err)
		}
		out = append(out, fmt.Sprintf("%T %s", m, b))
	}
	return out, nil
}

// elsewhere are the errors that the server makes in another place of its source when
// the statements of a Query come to it as messages of their own, or that rowback makes
// in the server's stead. Of all others the place is compared too.
var elsewhere = map[string]bool{
	"25P01": true, // needs a block: of a Query's statements the server says it elsewhere
	"25P02": true, // amid a failed transaction: at Query and at Parse
	"26000": true, // no such prepared statement: rowback describes it before the client binds it
	"55000": true, // a portal that has run runs again: rowback's own answer, in a batch
}

func withoutPlace(m *pgproto3.ErrorResponse) {
	if elsewhere[m.Code] {
		m.File, m.Line, m.Routine = "", 0, ""
	}
}

type messages = []pgproto3.FrontendMessage

func pbe(sql string, params ...string) messages {
	b := &pgproto3.Bind{}
	for _, p := range params {
		b.Parameters = append(b.Parameters, []byte(p))
	}
	return messages{&pgproto3.Parse{Query: sql}, b, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}}
}

func q(sql string) messages { return messages{&pgproto3.Query{String: sql}} }

// many are n items of a list, numbered from 1.
func many(n int, format string) string {
	var items []string
	for i := range n {
		items = append(items, fmt.Sprintf(format, i+1))
	}
	return strings.Join(items, ", ")
}

var described, syncMsg = messages{&pgproto3.Describe{ObjectType: 'P'}}, messages{&pgproto3.Sync{}}

func cat(parts ...messages) messages {
	var out messages
	for _, p := range parts {
		out = append(out, p...)
	}
	return out
}

// exchanges are message sequences within the limits: through the proxy, every
// answer must be what the server itself answers.
var exchanges = map[string][]messages{
	"simple":                   {q("DELETE FROM plain WHERE id = 1")},
	"simple returning":         {q("DELETE FROM plain WHERE id < 4 RETURNING *, id + 1 AS next, 'x'")},
	"simple cascade returning": {q("DELETE FROM orders WHERE id = 1 RETURNING *, 'x' AS lit, now() > '2000-01-01'")},
	"returning no column": {q("CREATE TABLE bare (); INSERT INTO bare DEFAULT VALUES; CREATE TABLE heir (id int PRIMARY KEY) INHERITS (bare); INSERT INTO heir VALUES (1)"), q("DELETE FROM bare RETURNING *"), q("DELETE FROM bare b RETURNING *, b.*"),
		cat(pbe("DELETE FROM bare RETURNING *"), syncMsg), q("DELETE FROM plain USING (SELECT) x WHERE id = 1 RETURNING x.*"), q("DELETE FROM orders USING (SELECT) x WHERE id = 1 RETURNING x.*"), q("DELETE FROM plain USING bare WHERE id = 1 RETURNING bare.*, *"),
		q("BEGIN; DELETE FROM bare RETURNING *"), q("ROLLBACK"), q("CREATE TABLE wide (" + many(1600, "c%d int") + "); INSERT INTO wide DEFAULT VALUES"), q("DELETE FROM plain USING wide WHERE id = 2 RETURNING wide.*, " + many(64, "%d")), q("SELECT count(*) FROM bare"), q("DELETE FROM bare RETURNING tableoid::regclass")},
	"simple none":                   {q("DELETE FROM plain WHERE id = -1")},
	"several":                       {q("SELECT 1; DELETE FROM plain WHERE id = 1; SELECT 2")},
	"several with block":            {q("BEGIN; DELETE FROM plain WHERE id = 1; COMMIT; SELECT 2"), q("SELECT count(*) FROM plain")},
	"several, commit without block": {q("DELETE FROM plain WHERE id = 1; COMMIT; DELETE FROM plain WHERE id = 2; ROLLBACK"), q("SELECT count(*) FROM plain")},
	"several, behind a Parse":       {cat(parse("t", "DELETE FROM orders WHERE id = 1"), q("BEGIN ISOLATION LEVEL SERIALIZABLE; CREATE TABLE made (id int PRIMARY KEY); CLOSE h")), q("ROLLBACK")},
	"several, behind a portal":      {cat(parse("", "DELETE FROM plain WHERE id = 1"), bind("p", ""), q("SET LOCAL statement_timeout = '1h'; DELETE FROM plain WHERE id = 12; SHOW statement_timeout"))},
	"several, error":                {q("DELETE FROM plain WHERE id = 1; SELECT 1/0; DELETE FROM plain WHERE id = 2"), q("SELECT count(*) FROM plain")},
	"several, error position":       {q("DELETE FROM plain WHERE id = 1; SELECT nope"), q("SELECT 'é'; DELETE FROM plain WHERE nope = 1")},
	"several in block":              {q("BEGIN"), q("DELETE FROM plain WHERE id = 1; DELETE FROM plain WHERE id = 2"), q("ROLLBACK"), q("SELECT count(*) FROM plain")},
	"several, set first": {q("SET LOCAL work_mem = '1MB'; DELETE FROM plain WHERE id = 3; SHOW work_mem"), q("SHOW work_mem"),
		q("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; DELETE FROM plain WHERE id = 4; SHOW transaction_isolation"),
		q("SET TimeZone = 'Asia/Tokyo'; DELETE FROM plain WHERE id = 32"), q("DELETE FROM plain WHERE id = 33; SET application_name = 'y'"), q("RESET TimeZone; DELETE FROM plain WHERE id = 35; RESET application_name; SELECT 1/0"),
		q("LISTEN heard; NOTIFY heard, 'it'; DELETE FROM plain WHERE id = 34"), q("NOTIFY heard, 'it'; COMMIT; DELETE FROM plain WHERE id = 36; SELECT 1"), q("UNLISTEN heard"),
		q("SELECT 1; COMMIT; SET LOCAL work_mem = '2MB'; DELETE FROM plain WHERE id = 8; SHOW work_mem"), q("SAVEPOINT s; DELETE FROM plain WHERE id = 9"), q("SELECT array_agg(id) FROM plain WHERE id < 12")},
	"chain":                      {q("BEGIN; DELETE FROM plain WHERE id = 1; COMMIT AND CHAIN"), q("DELETE FROM plain WHERE id = 2"), q("ROLLBACK AND CHAIN"), q("COMMIT")},
	"error in block":             {q("BEGIN"), q("DELETE FROM plain WHERE id = 1"), q("DELETE FROM nope"), q("DELETE FROM plain"), q("COMMIT"), q("SELECT count(*) FROM plain")},
	"error position cascade":     {q("DELETE FROM orders WHERE nope = 1"), cat(pbe("DELETE FROM orders WHERE id = $1 / 0", "1"), syncMsg)},
	"empty":                      {q(""), q(";"), q("-- nothing")},
	"syntax error":               {q("DELETE FROM"), cat(pbe("DELETE FRO plain"), syncMsg), q("DELETE FROM plain WHERE id = 1")},
	"runtime error":              {q("DELETE FROM plain WHERE 1/(id-id) = 1"), q("DELETE FROM orders WHERE 1/(id-id) = 1")},
	"extended":                   {cat(pbe("DELETE FROM plain WHERE id = $1", "1"), syncMsg)},
	"extended returning":         {cat(pbe("DELETE FROM plain WHERE id < $1 RETURNING a, id", "4"), syncMsg)},
	"extended cascade returning": {cat(pbe("DELETE FROM orders WHERE id < $1 RETURNING *, 1.5", "4"), syncMsg)},
	"extended pipeline": {cat(pbe("DELETE FROM plain WHERE id = $1", "1"), pbe("SELECT count(*) FROM plain"), pbe("DELETE FROM orders WHERE id = $1", "1"), syncMsg,
		pbe("DELETE FROM plain WHERE id = $1", "2"), syncMsg, q("SELECT count(*) FROM plain"))},
	"extended pipeline, error": {cat(pbe("DELETE FROM plain WHERE id = $1", "1"), pbe("SELECT 1/0"), pbe("DELETE FROM plain WHERE id = $1", "2"), syncMsg, q("SELECT count(*) FROM plain"))},
	"extended, block in pipeline": {cat(pbe("BEGIN"), pbe("DELETE FROM plain WHERE id = 1"), syncMsg, pbe("DELETE FROM plain WHERE id = 2"), pbe("COMMIT"), pbe("DELETE FROM plain WHERE id = 3"), syncMsg),
		q("SELECT count(*) FROM plain")},
	"extended, savepoints": {cat(pbe("BEGIN"), pbe("SAVEPOINT a"), pbe("DELETE FROM plain WHERE id = 1"), pbe("ROLLBACK TO a"), pbe("COMMIT"), syncMsg), q("SELECT count(*) FROM plain")},
	"named, describe, max rows": {
		{&pgproto3.Parse{Name: "s", Query: "DELETE FROM plain WHERE id < $1 RETURNING id"}, &pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{}},
		{&pgproto3.Bind{DestinationPortal: "p", PreparedStatement: "s", Parameters: [][]byte{[]byte("8")}}, &pgproto3.Describe{ObjectType: 'P', Name: "p"},
			&pgproto3.Execute{Portal: "p", MaxRows: 3}, &pgproto3.Execute{Portal: "p", MaxRows: 3}, &pgproto3.Execute{Portal: "p", MaxRows: 3}, &pgproto3.Sync{}},
		{&pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{}},
		{&pgproto3.Bind{PreparedStatement: "s", Parameters: [][]byte{[]byte("8")}}, &pgproto3.Execute{}, &pgproto3.Sync{}},
	},
	"max rows without returning": {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id < 5"}, &pgproto3.Bind{}, &pgproto3.Execute{MaxRows: 1}, &pgproto3.Sync{}}, q("SELECT count(*) FROM plain")},
	"binary results": {
		{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id < 4 RETURNING id, a"}, &pgproto3.Bind{ResultFormatCodes: []int16{1}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}},
		{&pgproto3.Parse{Query: "DELETE FROM orders WHERE id < 3 RETURNING id, kind"}, &pgproto3.Bind{ResultFormatCodes: []int16{1, 0}}, &pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Execute{}, &pgproto3.Sync{}},
	},
	"binary parameter": {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1", ParameterOIDs: []uint32{23}},
		&pgproto3.Bind{ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{0, 0, 0, 7}}, ResultFormatCodes: []int16{1}}, &pgproto3.Execute{}, &pgproto3.Sync{}}, q("SELECT count(*) FROM plain")},
	"bad parameter":  {cat(pbe("DELETE FROM plain WHERE id = $1", "abc"), syncMsg), cat(pbe("DELETE FROM orders WHERE id = $1", "abc"), syncMsg), q("SELECT 1")},
	"prepared text":  {{&pgproto3.Parse{Name: "s", Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Sync{}}, {&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}}, q("SELECT name, statement FROM pg_prepared_statements")},
	"reparse a name": {{&pgproto3.Parse{Name: "s", Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Parse{Name: "s", Query: "SELECT 1"}, &pgproto3.Sync{}}, {&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"deallocate": {{&pgproto3.Parse{Name: "s", Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Parse{Name: "t", Query: "DELETE FROM plain WHERE id = 2"}, &pgproto3.Sync{}}, q("DEALLOCATE s"),
		{&pgproto3.Bind{PreparedStatement: "t"}, &pgproto3.Execute{}, &pgproto3.Sync{}}, {&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"close in a failed pipeline": {{&pgproto3.Parse{Name: "s", Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Bind{PreparedStatement: "nope"}, &pgproto3.Close{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{}},
		{&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"a Query drops the unnamed statement": {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Sync{}}, q("SELECT 1"), {&pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"read-only transaction": {q("BEGIN READ ONLY"), q("DELETE FROM orders WHERE id = 1"), q("ROLLBACK"), q("BEGIN READ ONLY"), cat(pbe("DELETE FROM orders WHERE id = 1 RETURNING *"), syncMsg), q("ROLLBACK"),
		q("BEGIN READ ONLY"), q("DELETE FROM plain WHERE id = 1 RETURNING *"), q("COMMIT")},
	"parameter in a Query": {q("DELETE FROM plain WHERE id = $1"), q("DELETE FROM plain WHERE id = 1; DELETE FROM plain WHERE id = $1; SELECT 1"), q("SELECT count(*) FROM plain"), q("BEGIN; DELETE FROM plain WHERE id = $1"), q("ROLLBACK")},
	"error instead of rows": {q("DELETE FROM plain WHERE 1/(id-id) = 1 RETURNING id"), q("WITH d AS (DELETE FROM plain WHERE 1/(id-id) = 1 RETURNING id) SELECT count(*) FROM d"), q("SELECT purge(1); WITH u AS (UPDATE plain SET id = 1 WHERE id > 1 RETURNING id) SELECT id FROM u"), q("SELECT 1; DELETE FROM orders WHERE 1/(id-id) = 1 RETURNING id"), q("DELETE FROM plain WHERE id = 1; SELECT 1/(id-5) FROM plain"),
		q("DELETE FROM plain WHERE id = 1; UPDATE plain SET a = (1/(id-id))::text RETURNING id")},
	"schema that may not be used": {q("CREATE SCHEMA hidden; CREATE TABLE hidden.t (id int PRIMARY KEY); GRANT ALL ON hidden.t TO pg_monitor"), q("SET ROLE pg_monitor"), q("DELETE FROM hidden.t WHERE id = 1"), q("SELECT 1;  DELETE FROM hidden.t"), cat(pbe("DELETE FROM  hidden.t WHERE id = $1", "x"), syncMsg),
		q("DELETE FROM nowhere.t"), q("BEGIN"), q("DELETE FROM hidden.t"), q("ROLLBACK"), q("TRUNCATE hidden.t"), q("WITH d AS (DELETE FROM hidden.t) SELECT 1"), q("RESET ROLE"), q("DELETE FROM hidden.t RETURNING id"), q("TRUNCATE hidden.t")},
	"unnamed survives": {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Sync{}}, {&pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}, {&pgproto3.Parse{Query: "SELECT 1"}, &pgproto3.Sync{}}, {&pgproto3.Bind{}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"temporary table":  {q("CREATE TEMP TABLE x AS SELECT generate_series(1, 100) id"), q("DELETE FROM x"), q("SELECT count(*) FROM x")},
	"copy in between":  {cat(q("DELETE FROM plain WHERE id < 3; COPY plain FROM STDIN; DELETE FROM plain WHERE id = 3"), messages{&pgproto3.CopyData{Data: []byte("1\tone\n")}, &pgproto3.CopyDone{}}), q("SELECT * FROM plain WHERE id < 5")},
	"copy out between": {q("DELETE FROM plain WHERE id > 3; COPY plain TO STDOUT; DELETE FROM plain WHERE id = 3")},
	"truncate small":   {q("BEGIN"), q("TRUNCATE small"), q("ROLLBACK"), q("TRUNCATE small"), q("TRUNCATE small, nope")},
	"drop small":       {q("DROP TABLE small"), q("SELECT 1 FROM small")},
	"function":         {q("SELECT purge(2)"), q("SELECT count(*) FROM plain"), cat(pbe("SELECT purge($1::int)", "1"), syncMsg)},
	"do":               {q("DO $$ BEGIN DELETE FROM plain WHERE id = 1; END $$")},
	"nested":           {q("WITH d AS (DELETE FROM plain WHERE id < 4 RETURNING id) SELECT sum(id) FROM d"), q("EXPLAIN (ANALYZE, BUFFERS OFF, COSTS OFF, TIMING OFF, SUMMARY OFF) DELETE FROM plain WHERE id = 9")},
	"prepare, execute": {q("PREPARE x(int) AS DELETE FROM plain WHERE id = $1"), q("EXECUTE x(1)"), q("DEALLOCATE x"), q("EXECUTE x(1)")},
	"cursor":           {q("BEGIN"), q("DECLARE c CURSOR FOR SELECT * FROM plain ORDER BY id FOR UPDATE"), q("FETCH 2 FROM c"), q("DELETE FROM plain WHERE CURRENT OF c"), q("COMMIT"), q("SELECT min(id), count(*) FROM plain")},
	"cursor outside a block": {q("DECLARE c CURSOR FOR SELECT purge(1)"), q("SELECT count(*) FROM plain"), cat(pbe("DECLARE c CURSOR FOR SELECT purge(1)"), syncMsg), cat(pbe("DECLARE c CURSOR FOR SELECT purge(1)"), pbe("FETCH c"), syncMsg),
		{&pgproto3.Parse{Name: "s", Query: "DECLARE c CURSOR FOR SELECT purge(1)"}, &pgproto3.Sync{}}, {&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}}, q("DELETE FROM plain WHERE id = 1"), q("SELECT count(*) FROM plain")},
	"deferred error": {q("BEGIN; SET CONSTRAINTS ALL DEFERRED; DELETE FROM parent WHERE id = 1; COMMIT"), q("DELETE FROM parent WHERE id = 1"), q("DELETE FROM parent WHERE id = 1 RETURNING id"), q("DELETE FROM plain WHERE id = 1; DELETE FROM parent WHERE id = 1"), q("SELECT count(*) FROM parent"), cat(pbe("DELETE FROM parent WHERE id = 1"), syncMsg)},
	"notice":         {q("DO $$ BEGIN RAISE NOTICE 'hello'; DELETE FROM plain WHERE id = 1; END $$")},
	"search path":    {q("CREATE SCHEMA s; CREATE TABLE s.plain (id int PRIMARY KEY); INSERT INTO s.plain VALUES (1)"), q("SET search_path = s"), q("DELETE FROM plain"), q("RESET search_path"), q("DELETE FROM plain WHERE id = 1 RETURNING *")},
	"two phase":      {q("BEGIN; DELETE FROM plain WHERE id = 1; PREPARE TRANSACTION 'x1'"), q("SELECT count(*) FROM plain"), q("ROLLBACK PREPARED 'x1'"), q("SELECT count(*) FROM plain")},
	"discard all":    {{&pgproto3.Parse{Name: "s", Query: "DELETE FROM plain WHERE id = 1"}, &pgproto3.Sync{}}, q("DISCARD ALL"), {&pgproto3.Bind{PreparedStatement: "s"}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"flush after Bind": {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1"}, &pgproto3.Describe{ObjectType: 'S'}, &pgproto3.Flush{}, &pgproto3.Bind{Parameters: [][]byte{[]byte("1")}}, &pgproto3.Flush{},
		&pgproto3.Describe{ObjectType: 'P'}, &pgproto3.Flush{}, &pgproto3.Execute{}, &pgproto3.Flush{}, &pgproto3.Sync{}}, q("SELECT count(*) FROM plain"),
		{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1"}, &pgproto3.Bind{Parameters: [][]byte{[]byte("x")}}, &pgproto3.Flush{}, &pgproto3.Execute{}, &pgproto3.Flush{}, &pgproto3.Sync{}}, q("SELECT count(*) FROM plain")},
	"several, with escapes": {q("SET standard_conforming_strings = off; SET escape_string_warning = off"), q(`SELECT 'a\b', 'it\'s; '; DELETE FROM plain WHERE id = 1 OR a = 'x\'; y'; SELECT 2`), q(`BEGIN; INSERT INTO plain VALUES (1000, 'a\\'); COMMIT`), q("SELECT count(*) FROM plain"), q(`SELECT '\'`)},
	"several, in SJIS":      {q("SET client_encoding = 'sjis'"), q("BEGIN; INSERT INTO plain VALUES (1000, '\x95\x5c'); COMMIT"), q("SELECT '\xb1'; DELETE FROM plain WHERE a = '\x95\x5c'; SELECT '\x95\x5c'"), q("SELECT count(*) FROM plain")},
	"portal of a Query that failed": {q("BEGIN"), q("DELETE FROM plain WHERE id = 1; SELECT 1/0"), cat(execute("", 0), syncMsg), q("ROLLBACK"), q("BEGIN"), q("SELECT purge(1/0)"), cat(execute("", 0), syncMsg), q("ROLLBACK"),
		q("BEGIN"), cat(pbe("DELETE FROM plain WHERE id = 5"), syncMsg), q("SELECT purge(1); SELECT 1/0"), cat(execute("", 0), syncMsg), q("ROLLBACK"), q("BEGIN"), q("SELECT purge(1); SELECT id / 0 FROM plain"), cat(execute("", 0), syncMsg), q("ROLLBACK")},
	"alone behind a Bind": {cat(parse("d", "DISCARD ALL"), parse("i", "CREATE INDEX CONCURRENTLY ON plain (a)"), parse("s", "SELECT purge(1)"), parse("t", "DELETE FROM plain WHERE id = 1"), syncMsg),
		cat(bind("p", "t"), bind("", "i"), described, execute("", 0), execute("p", 0), syncMsg), cat(bind("p", "s"), parse("", "VACUUM plain"), bind("", ""), execute("", 0), execute("p", 0), syncMsg), cat(bind("", "t"), q("VACUUM plain")), cat(bind("p", "t"), q("CREATE INDEX CONCURRENTLY made ON plain (a)")),
		cat(bind("p", "t"), bind("q", "s"), execute("q", 0), bind("", "i"), execute("", 0), syncMsg), q("BEGIN"), cat(bind("p", "t"), bind("", "d"), execute("", 0), syncMsg), q("ROLLBACK"), cat(bind("p", "s"), bind("q", "d"), execute("q", 0), syncMsg), cat(bind("", "t"), syncMsg),
		cat(parse("t", "DELETE FROM orders WHERE id = 2"), bind("", "t"), q("DISCARD ALL")), q("SELECT name FROM pg_prepared_statements"), q("SELECT count(*) FROM plain")},
	"described when its block has failed": {q("BEGIN; DELETE FROM plain WHERE 1/(id-id) = 1"), cat(described, execute("", 0), syncMsg), cat(described, syncMsg), q("ROLLBACK"), cat(described, syncMsg),
		q("BEGIN"), q("DELETE FROM plain WHERE 1/(id-id) = 1 RETURNING id"), cat(described, syncMsg), q("ROLLBACK"), q("BEGIN; SAVEPOINT a; DELETE FROM orders WHERE 1/(id-id) = 1"), cat(described, syncMsg), q("ROLLBACK TO a"), cat(described, execute("", 0), syncMsg), q("ROLLBACK"),
		q("BEGIN"), cat(parse("s", "DELETE FROM orders WHERE id = 1"), bind("p", "s"), syncMsg), q("SELECT 1/0"), cat(messages{&pgproto3.Describe{ObjectType: 'P', Name: "p"}, &pgproto3.Describe{ObjectType: 'P', Name: "p"}}, execute("p", 0), syncMsg), q("ROLLBACK")},
	"bound when its block has failed": {cat(parse("s", "SELECT 1"), parse("d", "DELETE FROM plain WHERE id = 1"), parse("r", "ROLLBACK"), syncMsg), q("BEGIN; DELETE FROM plain WHERE 1/(id-id) = 1"), cat(bind("", "s"), execute("", 0), syncMsg), cat(described, syncMsg),
		cat(bind("", "d"), execute("", 0), syncMsg), cat(described, execute("", 0), syncMsg), cat(bind("", "r"), syncMsg), cat(described, execute("", 0), syncMsg), cat(described, syncMsg), q("SELECT count(*) FROM plain"),
		q("BEGIN"), cat(bind("", "d"), bindTo("", "", "1"), syncMsg), cat(described, syncMsg), q("ROLLBACK"), cat(described, syncMsg)},
	"vertical tabs": {q("\vDELETE FROM plain WHERE id = 1"), q("SELECT 1;\v DELETE FROM plain WHERE id = 2"), q("BEGIN; DELETE FROM plain WHERE id = 3\v; COMMIT"), q("ROLLBACK"), cat(pbe("\vDELETE FROM plain WHERE id = 4"), syncMsg), q("SELECT count(*) FROM plain")},
	"flush only":    {cat(pbe("DELETE FROM plain WHERE id = 1"), messages{&pgproto3.Flush{}, &pgproto3.Sync{}})},
}

const wireExtra = `
CREATE TABLE small (id int PRIMARY KEY); INSERT INTO small VALUES (1), (2);
CREATE TABLE parent (id int PRIMARY KEY); INSERT INTO parent VALUES (1), (2);
CREATE TABLE child (id int PRIMARY KEY, p int REFERENCES parent DEFERRABLE INITIALLY DEFERRED); INSERT INTO child VALUES (1, 1);
CREATE FUNCTION purge(n int) RETURNS int LANGUAGE plpgsql AS $$ DECLARE c int; BEGIN DELETE FROM plain WHERE id <= n; GET DIAGNOSTICS c = ROW_COUNT; RETURN c; END $$;
CREATE PROCEDURE twice() LANGUAGE plpgsql AS $$ BEGIN COMMIT; PERFORM 1; END $$;
`

func TestWire_WithinTheLimitEveryAnswerIsTheServers(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	for name, exchange := range exchanges {
		t.Run(name, func(t *testing.T) { e.compare(t, exchange) })
	}
}

// What the server says where it knows that a statement is one of several in a Query.
func TestWire_SeveralAreABlockOfTheirOwnKind(t *testing.T) {
	pgtest.Since(t, 18, "a pipeline that is a block as a Query of several statements is")
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	e.compare(t, []messages{q("LOCK TABLE plain; DELETE FROM plain WHERE id = 1"), q("DECLARE c CURSOR FOR SELECT 1; FETCH c; DELETE FROM plain WHERE id = 2"),
		q("DISCARD ALL; DELETE FROM plain WHERE id = 5"), q("VACUUM plain; DELETE FROM plain WHERE id = 6"), q("CALL twice(); DELETE FROM plain WHERE id = 7"),
		q("SELECT 1; COMMIT; LOCK TABLE plain; DELETE FROM plain WHERE id = 8"), q("DELETE FROM plain WHERE id = 10; LOCK TABLE plain"), q("SELECT array_agg(id) FROM plain WHERE id < 12")})
}

// Where none of several statements removes rows they run as the Query that they are.
func TestWire_SeveralThatRemoveNothing(t *testing.T) {
	for name, sql := range map[string]string{
		"lock, alter":             "LOCK TABLE plain IN ACCESS EXCLUSIVE MODE; ALTER TABLE plain ADD COLUMN z int; UPDATE plain SET z = 1",
		"create, lock":            "CREATE TABLE made (id int); LOCK TABLE made; INSERT INTO made VALUES (1)",
		"search_path, lock":       "SET search_path = public; LOCK TABLE plain; UPDATE plain SET a = 'x' WHERE id = 1",
		"create, cursor":          "CREATE TABLE made (id int); DECLARE c CURSOR FOR SELECT id FROM plain ORDER BY id; FETCH 2 FROM c",
		"constraints, create":     "SET CONSTRAINTS ALL DEFERRED; CREATE TABLE made (id int)",
		"create, error":           "CREATE TABLE made (id int); SELECT 1/0; LOCK TABLE made",
		"committed, error":        "BEGIN; CREATE TABLE made (id int); COMMIT; SELECT 1/0",
		"savepoint":               "CREATE TABLE made (id int); SAVEPOINT a",
		"isolation behind DDL":    "BEGIN; CREATE TABLE made (id int); COMMIT; BEGIN ISOLATION LEVEL SERIALIZABLE; DELETE FROM plain WHERE id = 1; COMMIT",
		"behind a function":       "BEGIN; CREATE FUNCTION made() RETURNS int LANGUAGE sql AS 'SELECT 1'; COMMIT; BEGIN READ ONLY; SELECT made(); COMMIT",
		"constraints, isolation":  "SET CONSTRAINTS ALL IMMEDIATE; BEGIN ISOLATION LEVEL REPEATABLE READ; DELETE FROM plain WHERE id = 1; COMMIT",
		"constraints and removal": "CREATE TABLE made (id int); SET CONSTRAINTS ALL DEFERRED; DELETE FROM plain WHERE id = 1",
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 1000), shop)
			e.compare(t, []messages{q(sql), q("SELECT count(*) FROM pg_class WHERE relname = 'made'")})
		})
	}
	// What a part of them has committed is known, to others too.
	e := newEnv(t, blockPolicy(), shop)
	c, other := e.connect(modes["simple"]), e.connect(modes["simple"])
	for _, c := range []*pgx.Conn{c, other} {
		mustExec(t, c, "DELETE FROM plain WHERE id = 1")
	}
	if _, err := c.PgConn().Exec(t.Context(), "BEGIN; CREATE TABLE child (p int REFERENCES plain ON DELETE CASCADE); INSERT INTO child SELECT 2 FROM generate_series(1, 50); COMMIT; SELECT 1/0").ReadAll(); sqlstate(err) != "22012" {
		t.Fatal(err)
	}
	for _, c := range []*pgx.Conn{other, c} {
		if _, err := c.Exec(t.Context(), "DELETE FROM plain WHERE id = 2"); sqlstate(err) != "RB001" {
			t.Errorf("%v, want RB001", err)
		}
	}
	// What one of them makes is looked at before the next.
	for _, sql := range []string{
		"LOCK TABLE plain; CREATE FUNCTION made() RETURNS void LANGUAGE sql AS 'DELETE FROM plain'; SELECT made()",
		"CREATE RULE made AS ON INSERT TO orders DO ALSO DELETE FROM plain; INSERT INTO orders VALUES (99999)",
	} {
		e := newEnv(t, blockPolicy(), shop)
		before := e.keys()
		_, err := e.connect(modes["simple"]).PgConn().Exec(t.Context(), sql).ReadAll()
		if code := sqlstate(err); code != "RB001" && code != "25P01" {
			t.Errorf("%s: %v", sql, err)
		}
		equal(t, "keys left", e.keys(), before)
	}
}

// malformed is a message whose body is not what its type says.
type malformed struct {
	typ  byte
	body string
}

func (malformed) Frontend()           {}
func (malformed) Decode([]byte) error { return nil }
func (m malformed) Encode(b []byte) ([]byte, error) {
	return append(binary.BigEndian.AppendUint32(append(b, m.typ), uint32(4+len(m.body))), m.body...), nil
}

func TestWire_Malformed(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop)
	const sql = "DELETE FROM plain WHERE id = 1"
	for name, m := range map[string]malformed{"no end": {'Q', sql}, "more": {'Q', sql + "\x00" + sql + "\x00"}, "an empty one more": {'Q', sql + "\x00\x00"}} {
		t.Run(name, func(t *testing.T) {
			e.compare(t, []messages{{m}, q("SELECT count(*) FROM plain"), q("BEGIN; DELETE FROM plain WHERE id = 2"), {m}, q("COMMIT"), q("SELECT count(*) FROM plain")})
		})
	}
}

func TestWire_MalformedTargets(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	for name, m := range map[string]malformed{"describe nothing": {'D', ""}, "close nothing": {'C', ""}, "describe without a name": {'D', "P"}, "close without an end": {'C', "Px"}, "close with more": {'C', "P\x00x"}, "execute too short": {'E', "\x00\x00"}} {
		t.Run(name, func(t *testing.T) {
			for _, before := range []messages{nil, cat(parse("", "DELETE FROM plain WHERE id = 1"), bind("", "")), cat(parse("", "SELECT purge(0)"), bind("", ""), execute("", 0))} {
				e.compare(t, []messages{cat(before, messages{m}, syncMsg), q("SELECT count(*) FROM plain")})
			}
		})
	}
	if n := e.logs.count("a fault in rowback"); n > 0 {
		t.Errorf("%d faults", n)
	}
}

// What is as large as the server takes it leaves no room for what rowback adds.
func TestWire_AtTheServersBounds(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	long := strings.Repeat("n", 12_000)
	columns := func(n int) string { return many(n, "%d") }
	for name, x := range map[string][]messages{
		"long names":             {cat(parse(long, "DELETE FROM plain WHERE id = 1"), syncMsg), cat(bind("", long), execute("", 0), syncMsg), cat(parse(long+"2", "DELETE FROM plain WHERE id = 2"), syncMsg), q("DELETE FROM plain WHERE id = 3")},
		"a long name, not ASCII": {cat(parse("é"+long, "DELETE FROM plain WHERE id = 1"), syncMsg), cat(bind("", "é"+long), execute("", 0), syncMsg), q("SELECT count(*) FROM plain")},
		"all columns":            {q("DELETE FROM plain WHERE id = 1 RETURNING " + columns(1664)), cat(pbe("DELETE FROM plain WHERE id = 2 RETURNING "+columns(1663)), syncMsg), q("DELETE FROM plain WHERE id = 3 RETURNING " + columns(1665))},
		"all but a few":          {q("DELETE FROM plain WHERE id = 1 RETURNING " + columns(1662)), q("DELETE FROM plain WHERE id = 2 RETURNING *, " + columns(1650))},
		"with a cascade":         {q("DELETE FROM orders WHERE id = 1 RETURNING " + columns(1664)), q("DELETE FROM orders WHERE id = 2 RETURNING " + columns(1660)), q("DELETE FROM orders WHERE id = 3 RETURNING " + columns(1655)), q("DELETE FROM orders WHERE id = 4 RETURNING *, " + columns(1640))},
		"a name of rowback's":    {cat(parse("rowback", "SELECT 1"), syncMsg), q("DELETE FROM plain WHERE id = 1"), cat(bind("", "rowback"), execute("", 0), syncMsg)},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
}

// compare runs exchanges on a direct connection and through the proxy, each in a
// copy of the database.
func (e *env) compare(t *testing.T, exchange []messages) {
	t.Helper()
	admin := pgtest.Shared(t).URL("postgres")
	run := func(via string) [][]string {
		db := fmt.Sprintf("%s_x", e.database)
		pgtest.Shared(t).CreateDatabase(t, db, e.database)
		defer pgtest.Exec(t, admin, "DROP DATABASE "+db+" WITH (FORCE)")
		return talk(t, strings.Replace(via, e.database, db, 1), exchange, db)
	}
	want := run(e.direct)
	got := run(e.url)
	for i := range want {
		equal(t, fmt.Sprintf("answers to exchange %d", i), got[i], want[i])
	}
}
