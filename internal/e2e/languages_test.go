package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// Clients of other languages, each with a script that prints what it sees of the
// tables of testdata/clients.sql. Called with "blocked" a script prints what a
// DELETE over the threshold looks like, each way in which the client sends one.
var languages = []struct {
	name    string
	command func(ctx context.Context, args ...string) *exec.Cmd
	blocked string
}{
	{"psycopg 3", python("psycopg3_suite.py"), `
DatabaseError RB001 ERROR IDLE
DatabaseError RB001 ERROR IDLE
DatabaseError RB001 ERROR IDLE
pipeline DatabaseError RB001 IDLE
(1500,)
DatabaseError RB001 ERROR INERROR
DatabaseError RB001 ERROR INERROR
DatabaseError RB001 ERROR INERROR
pipeline DatabaseError RB001 INERROR
(1500,)
`},
	{"asyncpg", python("asyncpg_suite.py"), strings.Repeat(`
UnknownPostgresError RB001 ERROR False
in a transaction RB001`, 5) + "\n1500 1500\n"},
	{"SQLAlchemy", python("sqlalchemy_suite.py"), strings.Repeat("\nDatabaseError RB001\n1500 1500", 3) + "\n"},
	{"Django", python("django_suite.py"), strings.Repeat("\nDatabaseError RB001\n1500 1500", 4) + "\n"},
	{"Ruby", command("ruby", "testdata/ruby_suite.rb"), strings.Repeat(`
PG::ServerError RB001 0
in a transaction RB001 0`, 3) + "\n" + `[["1500", "1500"]]` + "\n"},
	{"Perl", command("/usr/bin/perl", "testdata/perl_suite.pl"), strings.Repeat(`
RB001 1
in a transaction RB001 4`, 3) + "\n1 1 count count 1500,1500\n"},
	{"PHP", command("php", "testdata/php_suite.php"), strings.Repeat("\nPDOException RB001", 4) + "\nRB001\nRB001\n" + `["1500","1500"]` + "\n"},
	{"node pg", node("node_pg_suite.js"), strings.Repeat(`
DatabaseError RB001 ERROR
in a transaction RB001
25P02`, 4) + "\n" + `{"count":"1500","children":"1500"}` + "\n"},
	{"node postgres", node("node_postgres_suite.mjs"), strings.Repeat(`
PostgresError RB001 ERROR
in a transaction RB001`, 4) + `
[{"before":1}]
RB001
[{"after":2}]
SELECT 1 [["count",20,0],["children",20,0]] [{"count":"1500","children":"1500"}]
`},
}

func TestLanguages(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			cluster := pgtest.Shared(t)
			direct := neutral(run(t, l.command(t.Context(), cluster.URL(tables(t)))))
			database := tables(t)
			compare(t, direct, neutral(run(t, l.command(t.Context(), proxied(t, database)))))
			evident(t, database)
		})
	}
}

func TestLanguages_ABlockedDelete(t *testing.T) {
	for _, l := range languages {
		t.Run(l.name, func(t *testing.T) {
			got := run(t, l.command(t.Context(), proxied(t, tables(t)), "blocked"))
			if want := strings.TrimPrefix(l.blocked, "\n"); got != want {
				t.Errorf("the client says\n%swant\n%s", got, want)
			}
		})
	}
}

// python is Debian's own: another one in PATH does not see Debian's packages.
func python(script string) func(context.Context, ...string) *exec.Cmd {
	run := command("/usr/bin/python3", "testdata/"+script)
	return func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := run(ctx, args...)
		cmd.Env = append(os.Environ(), "PYTHONHASHSEED=0") // the order of sets, and so of Django's statements
		return cmd
	}
}

// node finds its modules where scripts/bootstrap has put them.
func node(script string) func(context.Context, ...string) *exec.Cmd {
	run := command("node", "testdata/"+script)
	return func(ctx context.Context, args ...string) *exec.Cmd {
		cmd := run(ctx, args...)
		cmd.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(nodeModules(), "node_modules"))
		return cmd
	}
}

func nodeModules() string {
	if dir := os.Getenv("ROWBACK_NODE"); dir != "" {
		return dir
	}
	if os.Geteuid() == 0 {
		return "/var/cache/rowback/node"
	}
	dir, err := os.UserCacheDir()
	if err != nil {
		return err.Error() // node then says that it finds no modules there
	}
	return filepath.Join(dir, "rowback", "node")
}

func command(name string, before ...string) func(context.Context, ...string) *exec.Cmd {
	return func(ctx context.Context, args ...string) *exec.Cmd {
		return exec.CommandContext(ctx, name, append(before[:len(before):len(before)], args...)...)
	}
}

// tables is a database with the tables of clients.sql.
func tables(t *testing.T) string {
	t.Helper()
	sql, err := os.ReadFile("testdata/clients.sql")
	if err != nil {
		t.Fatal(err)
	}
	return pgtest.Database(t, string(sql))
}

// proxied is a database's URL through the shared proxy.
func proxied(t *testing.T, database string) string {
	t.Helper()
	cluster := pgtest.Shared(t)
	return strings.Replace(cluster.URL(database), cluster.Addr(), proxyAddr(t), 1)
}
