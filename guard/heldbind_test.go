package guard_test

import (
	"reflect"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

func describe(kind byte, name string) messages {
	return messages{&pgproto3.Describe{ObjectType: kind, Name: name}}
}

func closed(kind byte, name string) messages {
	return messages{&pgproto3.Close{ObjectType: kind, Name: name}}
}

func bindTo(portal, statement string, params ...string) messages {
	b := &pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement}
	for _, p := range params {
		b.Parameters = append(b.Parameters, []byte(p))
	}
	return messages{b}
}

func formats(portal, statement string, codes ...int16) messages {
	return messages{&pgproto3.Bind{DestinationPortal: portal, PreparedStatement: statement, ResultFormatCodes: codes}}
}

var flush = messages{&pgproto3.Flush{}}

const (
	del  = "DELETE FROM plain WHERE id <= 2"
	dret = "DELETE FROM plain WHERE id <= 5 RETURNING id, a"
	casc = "DELETE FROM orders WHERE id <= 2 RETURNING id, kind"
)

// heldBinds are orders of messages around a Bind that is held back.
var heldBinds = map[string][]messages{
	"bind, sync":                        {cat(parse("", del), bind("", ""), syncMsg), q("SELECT count(*) FROM plain")},
	"bind, describe, sync":              {cat(parse("", del), bind("", ""), describe('P', ""), syncMsg)},
	"bind, flush, sync":                 {cat(parse("", del), bind("", ""), flush, syncMsg), q("SELECT 1")},
	"bind, flush, execute":              {cat(parse("", del), bind("", ""), flush, execute("", 0), flush, syncMsg)},
	"bind, describe, flush, execute":    {cat(parse("", del), bind("", ""), describe('P', ""), flush, execute("", 0), syncMsg)},
	"describe twice":                    {cat(parse("", del), bind("", ""), describe('P', ""), describe('P', ""), execute("", 0), syncMsg)},
	"describe statement":                {cat(parse("", del), bind("", ""), describe('S', ""), describe('P', ""), execute("", 0), syncMsg)},
	"describe twice, returning":         {cat(parse("", dret), bind("", ""), describe('P', ""), describe('P', ""), execute("", 0), syncMsg)},
	"describe another":                  {cat(parse("s", "SELECT 1"), bind("x", "s"), parse("", del), bind("", ""), describe('P', "x"), describe('P', "nope"), execute("", 0), syncMsg)},
	"bind, query":                       {cat(parse("", del), bind("", ""), q("SELECT 1")), q("SELECT count(*) FROM plain")},
	"bind, describe, query":             {cat(parse("", del), bind("", ""), describe('P', ""), q("DELETE FROM plain WHERE id = 9")), q("SELECT count(*) FROM plain")},
	"two portals":                       {cat(parse("d", "DELETE FROM plain WHERE id = $1 RETURNING id"), bindTo("a", "d", "1"), bindTo("b", "d", "2"), execute("b", 0), execute("a", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"two portals, no returning":         {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("a", "d", "1"), describe('P', "a"), bindTo("b", "d", "2"), describe('P', "b"), describe('P', "a"), execute("a", 0), execute("b", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"named portal twice":                {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("a", "d", "1"), bindTo("a", "d", "2"), execute("a", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"named portal twice, in a block":    {q("BEGIN"), cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("a", "d", "1"), bindTo("a", "d", "2"), execute("a", 0), syncMsg), q("COMMIT"), q("SELECT count(*) FROM plain")},
	"unnamed portal twice":              {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("", "d", "1"), bindTo("", "d", "2"), execute("", 0), syncMsg), q("SELECT min(id) FROM plain")},
	"executed twice":                    {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("a", "d", "1"), execute("a", 0), execute("a", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"executed twice, returning":         {cat(parse("d", dret), bind("a", "d"), execute("a", 0), execute("a", 0), syncMsg)},
	"executed twice, max rows":          {cat(parse("d", dret), bind("a", "d"), execute("a", 2), execute("a", 0), execute("a", 0), syncMsg)},
	"executed after its end":            {cat(parse("d", del), bind("a", "d"), execute("a", 0), syncMsg), cat(execute("a", 0), syncMsg), q("BEGIN"), cat(bind("a", "d"), execute("a", 0), syncMsg), cat(execute("a", 0), syncMsg), cat(execute("a", 0), syncMsg), q("ROLLBACK"), cat(execute("a", 0), syncMsg)},
	"rest after its end":                {cat(parse("d", dret), bind("a", "d"), execute("a", 2), syncMsg), cat(execute("a", 0), syncMsg), q("BEGIN"), cat(parse("e", casc), bind("a", "e"), execute("a", 1), syncMsg), cat(execute("a", 0), syncMsg), cat(execute("a", 0), syncMsg), q("ROLLBACK"), cat(execute("a", 0), syncMsg)},
	"portal of another after its end":   {q("BEGIN"), cat(parse("d", dret), bind("a", "d"), execute("a", 2), syncMsg), q("COMMIT"), cat(parse("s", "SELECT 1"), pbe("BEGIN"), bind("a", "s"), execute("a", 0), execute("a", 0), syncMsg)},
	"max rows beyond":                   {cat(parse("d", dret), bind("a", "d"), execute("a", 5), execute("a", 5), syncMsg)},
	"closed portal":                     {cat(parse("d", del), bind("a", "d"), closed('P', "a"), execute("a", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"closed statement":                  {cat(parse("d", del), bind("a", "d"), closed('S', "d"), execute("a", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"closed portal of another":          {cat(parse("d", del), bind("a", "d"), closed('P', "b"), execute("a", 0), syncMsg)},
	"parse over":                        {cat(parse("", del), bind("", ""), parse("", "SELECT 1"), execute("", 0), bind("", ""), execute("", 0), syncMsg)},
	"parse fails":                       {cat(parse("", del), bind("", ""), parse("", "SELEKT"), execute("", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"bind, parse, sync, execute later":  {q("BEGIN"), cat(parse("d", del), bind("p", "d"), syncMsg), cat(execute("p", 0), syncMsg), q("COMMIT"), q("SELECT count(*) FROM plain")},
	"too many parameters":               {cat(parse("", del), bindTo("", "", "1"), describe('P', ""), execute("", 0), syncMsg)},
	"too few parameters":                {cat(parse("", "DELETE FROM plain WHERE id = $1"), bind("", ""), describe('P', ""), execute("", 0), syncMsg)},
	"too few parameters, named":         {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bind("p", "d"), execute("p", 0), syncMsg)},
	"bad value":                         {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("p", "d", "x"), execute("p", 0), syncMsg), cat(bindTo("p", "d", "1"), execute("p", 0), syncMsg)},
	"bad value in a block":              {q("BEGIN"), cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("p", "d", "x"), describe('P', "p"), execute("p", 0), syncMsg), cat(bindTo("p", "d", "1"), execute("p", 0), syncMsg), q("ROLLBACK")},
	"bad value, flush":                  {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("p", "d", "x"), flush, execute("p", 0), syncMsg)},
	"bad value after a delete":          {cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("", "d", "1"), execute("", 0), bindTo("", "d", "x"), execute("", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"bad value with a savepoint":        {q("BEGIN"), q("DELETE FROM plain WHERE id = 1"), q("SAVEPOINT a"), cat(parse("d", "DELETE FROM plain WHERE id = $1"), bindTo("", "d", "x"), execute("", 0), syncMsg), q("ROLLBACK TO a"), cat(bindTo("", "d", "3"), execute("", 0), syncMsg), q("COMMIT"), q("SELECT count(*) FROM plain")},
	"bad binary value":                  {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1"}, &pgproto3.Bind{ParameterFormatCodes: []int16{1}, Parameters: [][]byte{{1, 2}}}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"bad parameter format":              {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1"}, &pgproto3.Bind{ParameterFormatCodes: []int16{7}, Parameters: [][]byte{{1, 2}}}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"too many parameter formats":        {{&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1"}, &pgproto3.Bind{ParameterFormatCodes: []int16{0, 0, 1}, Parameters: [][]byte{[]byte("1")}}, &pgproto3.Execute{}, &pgproto3.Sync{}}},
	"wrong result formats":              {cat(parse("", dret), formats("", "", 0, 1, 0), execute("", 0), syncMsg), cat(parse("", casc), formats("", "", 0, 1, 0), execute("", 0), syncMsg)},
	"result formats without result":     {cat(parse("", del), formats("", "", 0, 1, 0), describe('P', ""), execute("", 0), syncMsg)},
	"bad result format":                 {cat(parse("", dret), formats("", "", 3), describe('P', ""), execute("", 0), syncMsg)},
	"bad result format without result":  {cat(parse("", del), formats("", "", 3), describe('P', ""), execute("", 0), syncMsg)},
	"mixed formats":                     {cat(parse("", dret), formats("", "", 1, 0), describe('P', ""), execute("", 2), execute("", 0), syncMsg), cat(parse("", casc), formats("", "", 0, 1), describe('P', ""), execute("", 0), syncMsg)},
	"deallocated between":               {cat(parse("d", del), bind("p", "d"), pbe("DEALLOCATE d"), execute("p", 0), bind("p2", "d"), execute("p2", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"deallocated before":                {cat(parse("d", del), syncMsg), q("DO $$BEGIN EXECUTE 'DEALLOCATE d'; END$$"), cat(bind("p", "d"), execute("p", 0), syncMsg), q("SELECT 1")},
	"deallocated all before":            {cat(parse("", del), syncMsg), q("DISCARD PLANS"), cat(bind("", ""), describe('P', ""), execute("", 0), syncMsg), q("SELECT 1")},
	"rolled back between":               {cat(parse("d", del), pbe("BEGIN"), bind("p", "d"), pbe("ROLLBACK"), execute("p", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"committed between":                 {cat(parse("d", del), pbe("BEGIN"), bind("p", "d"), pbe("COMMIT"), execute("p", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"savepoint between":                 {cat(parse("d", del), pbe("BEGIN"), pbe("SAVEPOINT a"), bind("p", "d"), pbe("ROLLBACK TO a"), execute("p", 0), syncMsg), q("ROLLBACK"), q("SELECT count(*) FROM plain")},
	"error between":                     {cat(parse("d", del), bind("p", "d"), pbe("SELECT 1/0"), execute("p", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"execute of nothing":                {cat(parse("d", del), bind("p", "d"), execute("nope", 0), execute("p", 0), syncMsg), q("SELECT count(*) FROM plain")},
	"execute of another":                {cat(parse("s", "SELECT count(*) FROM plain"), bind("s", "s"), parse("d", del), bind("p", "d"), execute("s", 0), execute("p", 0), syncMsg)},
	"snapshot of the bind":              {cat(parse("s", "SELECT count(*) FROM plain"), parse("d", del), bind("p", "d"), bind("s", "s"), execute("p", 0), execute("s", 0), syncMsg)},
	"after an error":                    {cat(pbe("SELECT 1/0"), parse("d", del), bind("p", "d"), execute("p", 0), syncMsg), cat(bind("p", "d"), execute("p", 0), syncMsg)},
	"table dropped between":             {cat(parse("d", "DELETE FROM small"), bind("p", "d"), pbe("DROP TABLE small"), execute("p", 0), syncMsg), q("SELECT count(*) FROM small")},
	"column added between":              {cat(parse("d", "DELETE FROM small RETURNING *"), bind("p", "d"), describe('P', "p"), pbe("ALTER TABLE plain ADD y int"), execute("p", 0), syncMsg), q("ALTER TABLE small ADD x int"), cat(bind("p", "d"), describe('P', "p"), execute("p", 0), syncMsg)},
	"column dropped before":             {cat(parse("d", "DELETE FROM plain WHERE a = 'row 1'"), syncMsg), q("ALTER TABLE plain DROP a"), cat(bind("p", "d"), execute("p", 0), syncMsg)},
	"key dropped before":                {cat(parse("d", del), syncMsg), q("ALTER TABLE plain DROP id"), cat(bind("p", "d"), execute("p", 0), syncMsg)},
	"name changed in a function":        {q("CREATE SCHEMA s; CREATE TABLE s.plain (id int PRIMARY KEY)"), q("DELETE FROM plain WHERE id = 1 AND set_config('search_path', 's', false) = 's'"), q("SELECT count(*) FROM plain")},
	"name changed in a function, bound": {q("CREATE SCHEMA s; CREATE TABLE s.plain (id int PRIMARY KEY)"), cat(pbe("DELETE FROM plain WHERE id = 1 AND set_config('search_path', 's', false) = 's'"), syncMsg), q("SELECT count(*) FROM plain")},
	"before trigger":                    {q("DELETE FROM guarded WHERE id <= 4"), cat(pbe("DELETE FROM guarded WHERE id <= 4 RETURNING *"), syncMsg), cat(pbe("DELETE FROM guarded WHERE id <= 5"), syncMsg), q("SELECT count(*) FROM guarded")},
	"unique":                            {cat(pbe("DELETE FROM plain WHERE id = 1"), pbe("INSERT INTO plain VALUES (1)"), pbe("INSERT INTO plain VALUES (1)"), syncMsg)},
	"restrict":                          {cat(pbe("DELETE FROM parent WHERE id = 1"), pbe("SELECT 1"), syncMsg), cat(pbe("DELETE FROM strict WHERE id = 1"), pbe("SELECT 1"), syncMsg), q("DELETE FROM strict WHERE id = 1")},
	"empty portal beside":               {cat(parse("", del), bind("", ""), parse("e", ""), bind("e", "e"), execute("e", 0), execute("", 0), syncMsg)},
	"terminated":                        {cat(parse("", del), bind("", ""), syncMsg)},
	"autocommit, serializable":          {q("SET default_transaction_isolation = serializable"), q("DELETE FROM plain WHERE id = 1"), cat(pbe(dret), syncMsg), q("BEGIN"), q("DELETE FROM plain WHERE id <= 7"), q("COMMIT"), q("SELECT count(*) FROM plain")},
	"repeatable read":                   {q("BEGIN ISOLATION LEVEL REPEATABLE READ"), cat(pbe(del), syncMsg), cat(pbe(dret), syncMsg), q(casc), q("COMMIT"), q("BEGIN; SET TRANSACTION ISOLATION LEVEL SERIALIZABLE"), q(dret), q("COMMIT")},
	"set transaction after a bind":      {cat(pbe("BEGIN"), parse("d", del), bind("p", "d"), pbe("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"), execute("p", 0), syncMsg), q("ROLLBACK")},
}

const heldExtra = wireExtra + `
CREATE TABLE guarded (id int PRIMARY KEY); INSERT INTO guarded SELECT generate_series(1, 10);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id % 2 = 0 THEN RETURN NULL; END IF; RETURN OLD; END$$;
CREATE TRIGGER keep BEFORE DELETE ON guarded FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TABLE strict (id int PRIMARY KEY); INSERT INTO strict VALUES (1);
CREATE TABLE stricter (id int PRIMARY KEY, s int REFERENCES strict ON DELETE RESTRICT); INSERT INTO stricter VALUES (1, 1);
`

func TestHeldBind_EveryAnswerIsTheServers(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, heldExtra)
	for name, exchange := range heldBinds {
		t.Run(name, func(t *testing.T) {
			if v := pgtest.Shared(t).Version(); v >= 18 && name == "bind, query" { // see synced
				t.Skipf("not run on PostgreSQL %d: a Query amid a pipeline leaves a transaction open there if something was executed before it, by rowback too", v)
			}
			e.compare(t, exchange)
		})
	}
}

// Who flushes waits for the answer to what it has sent so far.
func TestHeldBind_Flush(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop)
	for name, x := range map[string]struct {
		param string
		want  any
	}{"bound": {"1", &pgproto3.BindComplete{}}, "failed": {"x", &pgproto3.ErrorResponse{}}} {
		t.Run(name, func(t *testing.T) {
			c := dialRaw(t, e.url)
			c.Send(&pgproto3.Parse{Query: "DELETE FROM plain WHERE id = $1"})
			c.Send(&pgproto3.Bind{Parameters: [][]byte{[]byte(x.param)}})
			c.Send(&pgproto3.Flush{})
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
			for {
				m, err := c.Receive()
				if err != nil {
					t.Fatal(err)
				}
				if _, parsed := m.(*pgproto3.ParseComplete); parsed {
					continue
				}
				if reflect.TypeOf(m) != reflect.TypeOf(x.want) {
					t.Errorf("%T", m)
				}
				break
			}
			c.Send(&pgproto3.Sync{})
			c.answers(1)
		})
	}
}
