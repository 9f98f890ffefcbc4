package guard_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

const truncates = `CREATE FUNCTION trunc() RETURNS int LANGUAGE plpgsql AS $$BEGIN TRUNCATE victim; RETURN 1; END$$;
	CREATE FUNCTION refill() RETURNS int LANGUAGE plpgsql AS $$BEGIN TRUNCATE victim; INSERT INTO victim SELECT generate_series(101, 120); RETURN 1; END$$;
	CREATE FUNCTION fill(n int) RETURNS int LANGUAGE plpgsql AS $$BEGIN INSERT INTO victim VALUES (n); DELETE FROM victim WHERE id = 1; RETURN 1; END$$;
	CREATE TABLE sink (v int); CREATE FUNCTION sinks() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN TRUNCATE victim; RETURN NULL; END$$; CREATE TRIGGER tr AFTER INSERT OR DELETE OR TRUNCATE ON sink EXECUTE FUNCTION sinks();
	CLUSTER victim USING victim_pkey;`

// A table that the transaction has rewritten is truncated in place.
func TestTruncateOnTheWay_OfWhatWasRewritten(t *testing.T) {
	for name, run := range map[string][]messages{
		"a type":                 {q("BEGIN"), q("ALTER TABLE victim ALTER COLUMN id TYPE bigint"), q("SELECT trunc()"), q("COMMIT")},
		"extended":               {cat(pbe("BEGIN"), pbe("ALTER TABLE victim ALTER COLUMN id TYPE bigint"), syncMsg), cat(pbe("SELECT trunc()"), syncMsg), cat(pbe("COMMIT"), syncMsg)},
		"a pipeline":             {cat(pbe("BEGIN"), pbe("ALTER TABLE victim ALTER COLUMN id TYPE bigint"), pbe("SELECT trunc()"), pbe("COMMIT"), syncMsg)},
		"clustered":              {q("BEGIN"), q("CLUSTER victim"), q("SELECT trunc()"), q("COMMIT")},
		"clustered, extended":    {q("BEGIN"), cat(pbe("CLUSTER victim"), syncMsg), cat(pbe("SELECT trunc()"), syncMsg), q("COMMIT")},
		"unlogged, by a block":   {q("BEGIN"), q("ALTER TABLE victim SET UNLOGGED"), q("DO $$BEGIN TRUNCATE victim; END$$"), q("COMMIT")},
		"by a block":             {q("BEGIN"), q("DO $$BEGIN ALTER TABLE victim SET UNLOGGED; END$$"), q("SELECT trunc()"), q("COMMIT")},
		"in savepoints":          {q("BEGIN"), q("ALTER TABLE victim SET UNLOGGED"), q("SAVEPOINT a"), q("SELECT trunc()"), q("RELEASE a"), q("COMMIT")},
		"filled again":           {q("BEGIN"), q("ALTER TABLE victim SET UNLOGGED"), q("SELECT refill()"), q("COMMIT")},
		"by a trigger":           {q("BEGIN"), q("ALTER TABLE victim SET UNLOGGED"), q("INSERT INTO sink VALUES (1)"), q("COMMIT")},
		"by a DELETE's trigger":  {q("BEGIN"), q("ALTER TABLE victim SET UNLOGGED"), q("DELETE FROM sink WHERE v = 0"), q("COMMIT")},
		"by a TRUNCATE's":        {q("BEGIN"), q("ALTER TABLE victim SET UNLOGGED"), q("TRUNCATE sink"), q("COMMIT")},
		"no block":               {q("ALTER TABLE victim SET UNLOGGED; SELECT trunc()")},
		"no block, a pipeline":   {cat(pbe("ALTER TABLE victim SET UNLOGGED"), pbe("SELECT trunc()"), syncMsg)},
		"no block, filled again": {q("ALTER TABLE victim SET UNLOGGED; SELECT refill()")},
		"looked at since":        {q("ALTER TABLE victim SET UNLOGGED; CREATE FUNCTION again() RETURNS int LANGUAGE sql AS 'SELECT refill()'; SELECT again()")},
		"emptied, taken back":    {q("DELETE FROM victim WHERE id > 10"), q("BEGIN"), q("SAVEPOINT a"), q("TRUNCATE victim"), q("ROLLBACK TO a"), q("INSERT INTO victim SELECT generate_series(11, 20)"), q("ALTER TABLE victim SET UNLOGGED"), q("SELECT trunc()"), q("ROLLBACK"), q("INSERT INTO victim SELECT generate_series(11, 20)")},
		"and in savepoints":      {q("DELETE FROM sink"), q("BEGIN"), q("SAVEPOINT a"), q("ALTER TABLE victim SET UNLOGGED"), q("CREATE FUNCTION again() RETURNS int LANGUAGE sql AS 'SELECT refill()'"), q("SELECT again()"), q("COMMIT")},
		"moved to a new file":    {q("CLUSTER victim"), q("ALTER TABLE victim SET UNLOGGED; SELECT refill()")},
		"a column beside that":   {q("ALTER TABLE victim ADD COLUMN more int DEFAULT random() * 9; SELECT refill()")},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, truncates)
			answers := strings.Join(talkAll(t, e.url, run), "\n")
			if left := len(e.victims()); left != 20 || !strings.Contains(answers, `"RB001"`) {
				t.Errorf("%d rows are left of 20, and %d entries: %s", left, len(e.entries(journal.Filter{})), answers)
			}
		})
	}
}

// What else a migration does behind a rewrite goes on as ever.
func TestRewritten_WhatIsNotTruncated(t *testing.T) {
	for name, run := range map[string][]string{
		"a function that deletes": {"BEGIN", "ALTER TABLE victim SET UNLOGGED", "INSERT INTO victim VALUES (50)", "SELECT fill(51)", "SAVEPOINT rowback", "SELECT fill(52)", "ROLLBACK TO rowback", "COMMIT"},
		"one that fails":          {"BEGIN", "ALTER TABLE victim SET UNLOGGED", "SAVEPOINT a", "SELECT fill(1) FROM nowhere", "ROLLBACK TO a", "SELECT fill(51)", "COMMIT"},
		"no block":                {"ALTER TABLE victim SET UNLOGGED; SELECT 1 FROM fill(51) WHERE false; DELETE FROM victim WHERE id = 1"},
		"made, no block":          {"CREATE TABLE made (id int); INSERT INTO made VALUES (1); SELECT fill(51)"},
		"a column, no block":      {"INSERT INTO victim VALUES (50)", "ALTER TABLE victim ADD COLUMN more int; SELECT fill(51)"},
		"a column and rows":       {"ALTER TABLE victim ADD COLUMN more int; INSERT INTO victim VALUES (50); SELECT fill(51)"},
		"a column and a name":     {"ALTER TABLE victim ADD COLUMN more int; ALTER TABLE victim RENAME TO v; ALTER TABLE v RENAME TO victim; INSERT INTO victim VALUES (50); DO 'BEGIN DELETE FROM victim WHERE id = 1; END'"},
		"truncated, no block":     {"TRUNCATE other; INSERT INTO other VALUES (1); SELECT fill(51)"},
		"frozen":                  {"BEGIN", "TRUNCATE other", "COPY other FROM STDIN WITH (FREEZE)", "SELECT fill(51)", "COMMIT"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), purges, truncates, "CREATE TABLE other (id int); INSERT INTO other VALUES (1); CREATE TRIGGER tr AFTER INSERT ON other FOR EACH ROW WHEN (false) EXECUTE FUNCTION purge_trigger()")
			c := e.connect(pgx.QueryExecModeSimpleProtocol)
			for _, sql := range run {
				if strings.HasPrefix(sql, "COPY") {
					if _, err := c.PgConn().CopyFrom(t.Context(), strings.NewReader("7\n8\n"), sql); err != nil {
						t.Errorf("%s: %v", sql, err)
					}
					continue
				}
				if _, err := c.Exec(t.Context(), sql); err != nil && !strings.Contains(sql, "nowhere") {
					t.Errorf("%s: %v", sql, err)
				}
			}
			if left := len(e.victims()); left < 19 || left > 21 {
				t.Errorf("%d rows are left", left)
			}
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Outcome == journal.Blocked {
				t.Errorf("entries %+v", es)
			}
		})
	}
}

// What nobody counted is not told as what was counted, and what nothing hints at is not told.
func TestRewritten_EstimatesAreSaidToBeThat(t *testing.T) {
	for name, x := range map[string]struct{ sql, alert, why string }{
		"rewritten":        {"ALTER TABLE victim SET UNLOGGED; SELECT refill()", "(victim N by estimate)", "function public.refill: TRUNCATE: the transaction has rewritten the table, and may have truncated it then; the number is an estimate"},
		"truncated":        {"SELECT trunc()", "(victim N by estimate)", "function public.trunc: TRUNCATE: the table was truncated, rewritten or detached inside the statement; the number is an estimate"},
		"and then counted": {"BEGIN; SELECT trunc(); INSERT INTO victim VALUES (1); SELECT fill(2); COMMIT", "(victim N by estimate)", "; the number is an estimate"},
		"a column":         {"ALTER TABLE victim ADD COLUMN more int; INSERT INTO victim VALUES (50); DO 'BEGIN DELETE FROM victim WHERE id = 1; END'", "", "a DO block"},
		"many":             {"DO 'BEGIN DELETE FROM victim WHERE id <= 12; END'", "DO removed N rows (victim N), limit N", "a DO block"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Alert, 10), purges, truncates)
			if _, err := e.connect(modes["simple"]).PgConn().Exec(t.Context(), x.sql).ReadAll(); err != nil {
				t.Fatal(err)
			}
			es := e.entries(journal.Filter{})
			if len(es) != 1 || len(es[0].Tables) != 1 {
				t.Fatalf("entries %+v", es)
			}
			alert, why := regexp.MustCompile(`\d+`).ReplaceAllString(es[0].Alert, "N"), es[0].Tables[0].Why
			if !strings.Contains(alert, x.alert) || (alert == "") != (x.alert == "") || !strings.HasSuffix(why, x.why) {
				t.Errorf("alert %q, why %q, want %q, %q", alert, why, x.alert, x.why)
			}
		})
	}
}
