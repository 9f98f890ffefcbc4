package guard_test

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// A look at the catalog amid a block is not one of the client's statements: their limits are not for it.
func TestRefresh_UnderTheClientsTimeout(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, "DO $$ BEGIN FOR i IN 1..1500 LOOP EXECUTE 'CREATE TABLE many_' || i || ' (id int PRIMARY KEY, a text)'; END LOOP; END $$")
	c := e.connect(pgx.QueryExecModeSimpleProtocol)
	mustExec(t, c, "SET lock_timeout = '7s'")
	for _, sql := range []string{"BEGIN", "SET LOCAL statement_timeout = '60ms'", "CREATE TABLE made (id int)", "SELECT 1", "DELETE FROM plain WHERE id = 1"} {
		mustExec(t, c, sql)
	}
	limits := func() (s string) {
		if err := c.QueryRow(t.Context(), "SELECT current_setting('statement_timeout') || ' ' || current_setting('lock_timeout')").Scan(&s); err != nil {
			t.Fatal(err)
		}
		return s
	}
	amid := limits()
	mustExec(t, c, "COMMIT")
	if after := limits(); amid != "60ms 7s" || after != "0 7s" {
		t.Errorf("the limits are %s, after the block %s", amid, after)
	}
}

// No look at the catalog is compiled, in whatever session it is made.
func TestLook_NotCompiled(t *testing.T) {
	explains := []string{"LOAD 'auto_explain'", "SET auto_explain.log_min_duration = 0", "SET auto_explain.log_settings = on", "SET jit = on"}
	for name, run := range map[string]func(e *env, exec func(sql string)){
		"a table made past the proxy": func(e *env, exec func(string)) {
			exec("DELETE FROM plain WHERE id = -1")
			pgtest.Exec(t, e.direct, "CREATE TABLE fresh (id int PRIMARY KEY)")
			exec("DELETE FROM fresh")
		},
		"replication":            func(_ *env, exec func(string)) { exec("CREATE TABLE made (id int)"); exec("SELECT 1") },
		"replication in a block": func(_ *env, exec func(string)) { exec("BEGIN"); exec("CREATE TABLE made (id int)"); exec("SELECT 1") },
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 1000), shop)
			url := e.url
			if name != "a table made past the proxy" {
				url += "&replication=database"
			}
			c, err := pgconn.Connect(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close(context.Background())
			exec := func(sql string) {
				t.Helper()
				if _, err := c.Exec(t.Context(), sql).ReadAll(); err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
			}
			for _, sql := range explains {
				exec(sql)
			}
			before, err := os.ReadFile(pgtest.Shared(t).Log())
			if err != nil {
				t.Fatal(err)
			}
			run(e, exec)
			for _, setting := range []string{"jit", "statement_timeout"} {
				if is, err := c.Exec(t.Context(), "SHOW "+setting).ReadAll(); err != nil || !slices.Contains([]string{"on", "0"}, string(is[0].Rows[0][0])) {
					t.Errorf("%s: %v %v", setting, is, err)
				}
			}
			log, err := os.ReadFile(pgtest.Shared(t).Log())
			if err != nil {
				t.Fatal(err)
			}
			looks := 0
			for _, plan := range strings.Split(string(log[len(before):]), "Query Text: ")[1:] {
				if !strings.Contains(plan, "pg_trigger") {
					continue
				}
				if looks++; !strings.Contains(plan, "jit = 'off'") {
					t.Errorf("compiled: %.300s", plan)
				}
			}
			if looks == 0 {
				t.Error("nobody looked")
			}
		})
	}
}
