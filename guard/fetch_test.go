package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// fetchers fetch from a cursor or portal by its name, and say nothing of what that runs;
// reopen closes it, and opens one over what deletes in its place.
const fetchers = opensCursor + `CREATE FUNCTION fetchit(name text) RETURNS int LANGUAGE plpgsql AS $$DECLARE c refcursor := name; BEGIN MOVE FORWARD ALL FROM c; RETURN 1; END$$;
	CREATE FUNCTION fetchearly(name text) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$DECLARE c refcursor := name; BEGIN MOVE FORWARD ALL FROM c; RETURN 1; END$$;
	CREATE FUNCTION fetchlate() RETURNS trigger LANGUAGE plpgsql AS $$DECLARE c refcursor := 'p'; BEGIN MOVE FORWARD ALL FROM c; RETURN NULL; END$$;
	CREATE PROCEDURE fetchproc(name text) LANGUAGE plpgsql AS $$DECLARE c refcursor := name; BEGIN MOVE FORWARD ALL FROM c; END$$;
	CREATE PROCEDURE fetchandcommit(name text) LANGUAGE plpgsql AS $$DECLARE c refcursor := name; BEGIN MOVE FORWARD ALL FROM c; COMMIT; END$$;
	CREATE FUNCTION reopen(name text) RETURNS int LANGUAGE plpgsql AS $$DECLARE c refcursor := name; BEGIN CLOSE c; OPEN c FOR SELECT purge(); RETURN 1; END$$;
	CREATE FUNCTION reopenplain(name text) RETURNS int LANGUAGE plpgsql AS $$DECLARE c refcursor := name; BEGIN CLOSE c; OPEN c FOR SELECT 1; RETURN 1; END$$;
	CREATE FUNCTION reopenlike() RETURNS int LANGUAGE plpgsql AS $$DECLARE c refcursor := 'p'; BEGIN CLOSE c; OPEN c FOR SELECT 1, 'victim'::regclass::oid, '1' WHERE purge() > 0; RETURN 1; END$$;
	CREATE DOMAIN checked AS int CHECK (fetchit('p') > 0); CREATE TABLE row_of (x checked);
	CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1), (2);
	CREATE CONSTRAINT TRIGGER late AFTER INSERT ON log DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fetchlate();`

// fetched are deletions of 20 rows over a limit of 10 that happen when something is fetched
// from that was opened, or bound, before.
var fetched = map[string][]messages{
	"CALL parsed before":                     {cat(parse("f", "CALL fetchproc('p')"), syncMsg), q("BEGIN"), cat(parse("d", "DELETE FROM victim RETURNING id"), bindTo("p", "d"), bindTo("", "f"), execute("", 0), syncMsg), q("COMMIT")},
	"CREATE TABLE AS parsed before":          {cat(parse("f", "CREATE TABLE z AS SELECT fetchit('p')"), syncMsg), q("BEGIN"), cat(parse("d", "DELETE FROM victim RETURNING id"), bindTo("p", "d"), bindTo("", "f"), execute("", 0), syncMsg), q("COMMIT")},
	"CALL bound before":                      {cat(parse("f", "CALL fetchproc('p')"), parse("d", "DELETE FROM victim"), bindTo("f", "f"), bindTo("p", "d"), execute("f", 0), syncMsg)},
	"CALL in one pipeline":                   {cat(parse("f", "CALL fetchproc('p')"), parse("d", "DELETE FROM victim RETURNING id"), bindTo("p", "d"), bindTo("", "f"), execute("", 0), syncMsg)},
	"CALL that commits":                      {cat(parse("f", "CALL fetchandcommit('p')"), parse("d", "DELETE FROM victim RETURNING id"), bindTo("p", "d"), bindTo("", "f"), execute("", 0), syncMsg)},
	"CALL, a function's cursor":              {cat(parse("f", "CALL fetchproc('c')"), syncMsg), q("BEGIN"), q("SELECT oc()"), cat(bindTo("", "f"), execute("", 0), syncMsg), q("COMMIT")},
	"the unnamed portal":                     {q("BEGIN"), cat(parse("f", "SELECT fetchit('')"), parse("d", "DELETE FROM victim RETURNING id"), bindTo("q", "f"), bindTo("", "d"), execute("q", 0), syncMsg), q("COMMIT")},
	"the unnamed portal, no RETURNING":       {cat(parse("f", "SELECT fetchit('')"), parse("d", "DELETE FROM victim"), bindTo("q", "f"), bindTo("", "d"), execute("q", 0), syncMsg)},
	"the unnamed portal, counted":            {cat(parse("f", "SELECT fetchit('')"), parse("d", "SELECT purge()"), bindTo("q", "f"), bindTo("", "d"), execute("q", 0), syncMsg)},
	"the unnamed portal, parsed after":       {cat(parse("d", "DELETE FROM victim RETURNING id"), bindTo("", "d"), parse("f", "SELECT fetchit('')"), bindTo("q", "f"), execute("q", 0), syncMsg)},
	"while it is planned":                    {cat(parse("f", "SELECT fetchearly('p')"), syncMsg), q("BEGIN"), cat(parse("d", "DELETE FROM victim"), bindTo("p", "d"), bindTo("", "f"), syncMsg), q("COMMIT")},
	"while it is parsed":                     {cat(parse("d", "DELETE FROM victim"), bindTo("p", "d"), parse("f", "SELECT '(5)'::row_of"), syncMsg)},
	"by a DELETE":                            {cat(parse("f", "DELETE FROM other WHERE id = fetchit('p')"), parse("d", "DELETE FROM victim"), bindTo("p", "d"), bindTo("", "f"), execute("", 0), syncMsg)},
	"by a DELETE bound before":               {cat(parse("f", "DELETE FROM other WHERE id = fetchit('p')"), parse("d", "DELETE FROM victim"), bindTo("f", "f"), bindTo("p", "d"), execute("f", 0), syncMsg)},
	"by a DELETE while it is planned":        {cat(parse("f", "DELETE FROM other WHERE id = fetchearly('p')"), parse("d", "DELETE FROM victim"), bindTo("p", "d"), bindTo("f", "f"), syncMsg)},
	"by a DELETE from a temporary table":     {q("CREATE TEMP TABLE tt AS SELECT 1 AS id"), cat(parse("f", "DELETE FROM tt WHERE id = fetchit('p')"), syncMsg), q("BEGIN"), cat(parse("d", "DELETE FROM victim"), bindTo("p", "d"), bindTo("", "f"), execute("", 0), syncMsg), q("COMMIT")},
	"by a deferred trigger at COMMIT":        {q("BEGIN"), q("INSERT INTO log VALUES (1)"), cat(parse("d", "DELETE FROM victim"), bindTo("p", "d"), syncMsg), q("COMMIT")},
	"by a deferred trigger at Sync":          {cat(pbe("INSERT INTO log VALUES (1)"), parse("d", "DELETE FROM victim"), bindTo("p", "d"), syncMsg)},
	"DDL's portal opened anew":               {q("BEGIN"), cat(parse("d", "CREATE TABLE z AS SELECT 1"), bindTo("p", "d"), syncMsg), q("SELECT reopen('p')"), cat(execute("p", 0), syncMsg), q("COMMIT")},
	"SAVEPOINT's portal opened anew":         {q("BEGIN"), cat(parse("d", "SAVEPOINT x"), bindTo("p", "d"), syncMsg), q("SELECT reopen('p')"), cat(execute("p", 0), syncMsg), q("COMMIT")},
	"COMMIT's portal opened anew, pipelined": {q("BEGIN"), cat(parse("d", "COMMIT"), parse("r", "SELECT reopen('p')"), bindTo("p", "d"), bindTo("", "r"), execute("", 0), execute("p", 0), syncMsg), q("COMMIT")},
	"a DELETE's portal opened anew":          {q("BEGIN"), cat(parse("d", "DELETE FROM victim WHERE id < 0 RETURNING id"), bindTo("p", "d"), execute("p", 0), syncMsg), q("SELECT reopen('p')"), cat(execute("p", 0), syncMsg), q("COMMIT")},
	"a DELETE's portal opened anew, in part": {q("BEGIN"), cat(parse("d", "DELETE FROM victim WHERE id < 0 RETURNING id"), bindTo("p", "d"), execute("p", 1), syncMsg), q("SELECT reopen('p')"), cat(execute("p", 1), syncMsg), q("COMMIT")},
	"a DELETE's portal opened alike":         {q("BEGIN"), cat(parse("d", "DELETE FROM victim WHERE id < 0 RETURNING id"), bindTo("p", "d"), syncMsg), q("SELECT reopenlike()"), cat(execute("p", 0), syncMsg), q("COMMIT")},
	"behind a Close that was discarded":      {cat(parse("f", "CALL fetchproc('p')"), syncMsg), q("BEGIN"), cat(parse("d", "DELETE FROM victim"), bindTo("p", "d"), syncMsg), q("SAVEPOINT a"), cat(parse("x", "nonsense"), closed('P', "p"), syncMsg), q("ROLLBACK TO a"), cat(bindTo("", "f"), execute("", 0), syncMsg), q("COMMIT")},
	"behind a ROLLBACK that was none": {q("BEGIN"), q("DELETE FROM victim WHERE id <= 10"), cat(parse("d", "ROLLBACK"), parse("r", "SELECT reopenplain('p')"), bindTo("p", "d"), bindTo("", "r"), execute("", 0), execute("p", 0), syncMsg),
		q("DELETE FROM victim"), q("COMMIT")},
}

func TestFetch_IsCounted(t *testing.T) {
	for name, run := range fetched {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, fetchers)
			answers := strings.Join(talkAll(t, e.url, run), "\n")
			if left := len(e.victims()); left != 20 || !strings.Contains(answers, `"RB001"`) {
				t.Errorf("%d rows are left of 20, %d entries: %s", left, len(e.entries(journal.Filter{})), answers)
			}
		})
	}
}

func TestFetch_ByFunctionCall(t *testing.T) {
	for name, before := range map[string][]messages{
		"a function's cursor": {q("BEGIN"), q("SELECT oc()")},
		"a portal":            {q("BEGIN"), cat(parse("d", "DELETE FROM victim RETURNING id"), bindTo("c", "d"), syncMsg)},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, fetchers)
			var oid uint32
			if err := connect(t, e.direct, pgx.QueryExecModeExec).QueryRow(t.Context(), "SELECT 'fetchit(text)'::regprocedure::oid").Scan(&oid); err != nil {
				t.Fatal(err)
			}
			r := dialRaw(t, e.url)
			var answers string
			for _, x := range append(before, messages{&pgproto3.FunctionCall{Function: oid, ArgFormatCodes: []uint16{0}, Arguments: [][]byte{[]byte("c")}}}, q("COMMIT")) {
				answers += r.say(x)
			}
			if left := len(e.victims()); left != 20 || !strings.Contains(answers, `"RB001"`) {
				t.Errorf("%d rows are left of 20: %s", left, answers)
			}
		})
	}
}

// What has run, and leaves nothing open, has nothing else counted behind it.
func TestFetch_OnlyWhileSomethingIsOpen(t *testing.T) {
	for name, x := range map[string]struct {
		want uint64
		run  []messages
	}{
		"a DELETE's portal":       {0, []messages{q("BEGIN"), cat(parse("d", "DELETE FROM other WHERE id = 1 RETURNING id"), bindTo("p", "d"), describe('P', "p"), execute("p", 0), syncMsg), q("SELECT 1"), cat(pbe("SELECT 1"), syncMsg), q("COMMIT")}},
		"the unnamed portal":      {0, []messages{q("BEGIN"), cat(parse("d", "DELETE FROM other WHERE id = 1 RETURNING id"), bindTo("", "d"), describe('P', ""), execute("", 0), syncMsg), q("SELECT 1"), cat(pbe("SELECT 1"), syncMsg), q("COMMIT")}},
		"what is counted":         {2, []messages{q("BEGIN"), cat(pbe("SELECT purge()"), syncMsg), cat(pbe("SELECT 1"), syncMsg), q("SELECT 1"), q("COMMIT")}}, // its Bind, and it
		"what is counted, simple": {1, []messages{q("BEGIN"), q("SELECT purge()"), q("SELECT 1"), cat(pbe("SELECT 1"), syncMsg), q("COMMIT")}},
		"a portal that has ended": {1, []messages{cat(parse("d", "DELETE FROM other WHERE id = 1"), bindTo("p", "d"), syncMsg), q("SELECT 1"), cat(pbe("SELECT 1"), syncMsg)}}, // as it ends a deferred trigger could have fetched
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 100), purges, fetchers)
			talkAll(t, e.url, x.run)
			if n := e.routed(t, "count"); n != x.want {
				t.Errorf("%d were counted, want %d", n, x.want)
			}
		})
	}
}
