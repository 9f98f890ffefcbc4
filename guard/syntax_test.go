package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// Of a Query that cannot be read nothing runs, and what it takes away all the same is
// what the server does.
func TestMisspelt_NothingOfTheQueryRuns(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	count := q("SELECT count(*) FROM plain")
	for name, x := range map[string][]messages{
		"alone":                     {q("DELETE FROM plain WHERE id = 1; SELEKT 1"), count},
		"commits":                   {q("BEGIN; DELETE FROM plain WHERE id = 1; COMMIT; SELEKT 1"), count},
		"in a block":                {q("BEGIN"), q("DELETE FROM plain WHERE id = 1; SELEKT 1"), count, q("ROLLBACK"), count},
		"behind what was left over": {cat(parse("s", "DELETE FROM tree WHERE id = 31"), bind("", "s"), q("DELETE FROM parent WHERE id = 1"), parse("", "SELECT 1"), q("UNLISTEN heard; START TRANSACTION READ ONLY; COMMIT AND CHAIN")), q("ROLLBACK")},
		"what the block has set":    {q("BEGIN; SET LOCAL standard_conforming_strings = off"), q("DELETE FROM plain WHERE id = 1; SELEKT 1"), q("SELECT 1"), q("ROLLBACK"), count},
		"in a failed block":         {q("BEGIN"), q("SELECT 1/0"), q("ROLLBACK; SELEKT 1"), count, q("ROLLBACK"), count},
		"the unnamed statement":     {cat(parse("", "DELETE FROM plain WHERE id = 1"), syncMsg), q("SELECT 1; SELEKT 1"), cat(bind("", ""), syncMsg), cat(parse("", "SELECT 1"), syncMsg), q("SELECT purge(1); SELEKT 1"), cat(bind("", ""), syncMsg), count},
		"of another encoding":       {q("BEGIN; DELETE FROM plain WHERE id = 1; COMMIT; SELECT '\xe9'"), count, q("SET client_encoding = LATIN1"), q("DELETE FROM plain WHERE id = 1; SELECT '\xe9'"), count},
		"quoted by a backslash":     {q("SET backslash_quote = off"), q(`BEGIN; DELETE FROM plain WHERE id = 1; COMMIT; SELECT E'\''`), count, q("SET client_encoding = 'sjis'"), q("BEGIN; DELETE FROM plain WHERE id = 2; COMMIT; SELECT '\x81'"), q("SET client_encoding = 'utf8'"), count},
		"warned of":                 {q(`SELECT 'a\b'; SELEKT 'c\d'`), q(`DELETE FROM plain WHERE a = 'a\b'; SELEKT 'c\d'`), count},
		"not supported":             {q("DELETE FROM plain WHERE id = 1; CREATE ASSERTION a CHECK (true)"), count},
		"two that are":              {q("DELET FROM plain; DELETE FROM plain WHERE id = 1; SELEKT 1"), count},
		"newer than the server":     {q("DELETE FROM plain WHERE id = 1; MERGE INTO plain p USING (SELECT 2 AS id) s ON p.id = s.id WHEN MATCHED THEN DELETE"), count, q("BEGIN"), q("DELETE FROM plain WHERE id = 1; SELECT 1_000"), count, q("ROLLBACK"), q("DELETE FROM plain WHERE id = 1; SELECT JSON_ARRAY(1)"), count},
		"in a block, read":          {q("BEGIN; DELETE FROM plain WHERE id = 1; DELETE FROM plain WHERE id = 2"), q("DELETE FROM plain WHERE id = 3; END"), count},
		"read, and without sense":   {q("DELETE FROM plain WHERE id = 1; SELECT 1 FROM nope"), count},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
}

// The same behind messages without a Sync.
func TestMisspelt_AmidAPipeline(t *testing.T) {
	pgtest.Since(t, 14, "functions whose body is SQL")
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	const sql = "DELETE FROM plain WHERE id = 2; SELEKT 1"
	count := q("SELECT count(*) FROM plain")
	for name, x := range map[string][]messages{
		"behind a Parse":             {cat(parse("s", "SELECT 1"), q(sql)), cat(bind("", "s"), execute("", 0), syncMsg), count},
		"behind a Bind":              {cat(parse("s", "SELECT 1"), bind("p", "s"), q(sql)), cat(execute("p", 0), syncMsg), count},
		"behind a SELECT":            {cat(pbe("SELECT 1"), q(sql)), count},
		"behind a deletion":          {cat(pbe("DELETE FROM plain WHERE id = 1"), q(sql)), count},
		"behind BEGIN":               {cat(pbe("BEGIN"), q(sql)), count, q("ROLLBACK"), count},
		"in a block":                 {q("BEGIN"), cat(pbe("DELETE FROM plain WHERE id = 1"), q(sql)), count, q("ROLLBACK"), count},
		"in a failed block":          {q("BEGIN"), q("SELECT 1/0"), cat(messages{&pgproto3.Flush{}}, q("ROLLBACK; SELEKT 1")), q("ROLLBACK"), count},
		"behind two Queries":         {cat(pbe("DELETE FROM plain WHERE id = 1"), q("SELECT 1"), q(sql), syncMsg), count},
		"at its end":                 {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 2; SELECT (")), count},
		"a comment at its end":       {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 2; SELECT 1 1 --")), count},
		"RETURN behind a comment":    {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 2; -- x\n/* x */ Return 1")), count, q("BEGIN"), q("DELETE FROM plain WHERE id = 3; COMMIT; /* x */ RETURN 1"), count, q("ROLLBACK"), count},
		"RETURN":                     {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 2; RETURN 1")), count},
		"END of a body":              {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 2; SELECT 1; END; SELEKT 1")), count},
		"newer than the server":      {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 1; MERGE INTO plain p USING (SELECT 2 AS id) s ON p.id = s.id WHEN MATCHED THEN DELETE")), count, cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 1; SELECT 1 FROM (SELECT 2)")), count},
		"not supported":              {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 1; CREATE ASSERTION a CHECK (true)")), count},
		"the unnamed statement":      {cat(parse("", "DELETE FROM plain WHERE id = 1"), q(sql)), cat(bind("", ""), execute("", 0), syncMsg), count},
		"warned of":                  {cat(pbe("SELECT 1"), q(`DELETE FROM plain WHERE a = 'a\b'; SELEKT 'c\d'`)), count},
		"of another encoding":        {cat(pbe("SELECT 1"), q("DELETE FROM plain WHERE id = 2; SELECT '\xe9'")), count},
		"settings of the pipeline's": {cat(pbe("SET application_name = 'x'"), q(sql)), q("SHOW application_name"), count},
	} {
		t.Run(name, func(t *testing.T) { e.compare(t, x) })
	}
}
