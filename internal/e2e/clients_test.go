package e2e

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestPsql(t *testing.T) {
	for _, script := range []string{"basics.sql", "deletes.sql"} {
		t.Run(script, func(t *testing.T) {
			same(t, func(t *testing.T, url string) string {
				return run(t, pgtest.Shared(t).Client(t, "psql", "-X", "-a", "-f", "testdata/"+script, url))
			})
		})
	}
}

// psql sends BEGIN and COMMIT around a script itself; what is left of it is asked for after that.
func TestPsql_SingleTransaction(t *testing.T) {
	same(t, func(t *testing.T, url string) string {
		pgtest.Exec(t, url, "CREATE TABLE ones (id int PRIMARY KEY)", "INSERT INTO ones SELECT generate_series(1, 20)")
		psql := func(more ...string) string {
			return run(t, pgtest.Shared(t).Client(t, "psql", append([]string{"-X", "-a", url}, more...)...))
		}
		return psql("--single-transaction", "-f", "testdata/single.sql") +
			psql("-c", "SELECT count(*), sum(id) FROM ones") +
			psql("--single-transaction", "-c", "DELETE FROM ones WHERE id = 10", "-c", "DELETE FROM ones WHERE id = 11") +
			psql("-c", "SELECT count(*), sum(id) FROM ones")
	})
}

func TestPsycopg2(t *testing.T) {
	same(t, func(t *testing.T, url string) string {
		// Debian's own python: another one in PATH does not see Debian's psycopg2.
		return run(t, exec.CommandContext(t.Context(), "/usr/bin/python3", "testdata/psycopg2_suite.py", url))
	})
}

func TestJDBC(t *testing.T) {
	same(t, func(t *testing.T, url string) string {
		return run(t, jdbc(t.Context(), url))
	})
}

func jdbc(ctx context.Context, args ...string) *exec.Cmd {
	// The driver takes the user as a parameter.
	args[0] = strings.Replace(args[0], "postgres://postgres@", "postgresql://", 1) + "&user=postgres"
	return command("java", "-cp", "/usr/share/java/postgresql.jar", "testdata/JdbcSuite.java")(ctx, args...)
}

// same runs a client directly and through the proxy and compares what it says.
func same(t *testing.T, client func(t *testing.T, url string) string) {
	t.Helper()
	cluster := pgtest.Shared(t)
	direct := neutral(client(t, cluster.URL(pgtest.Database(t))))
	through := strings.Replace(cluster.URL(pgtest.Database(t)), cluster.Addr(), proxyAddr(t), 1)
	compare(t, direct, neutral(client(t, through)))
}

// What lawfully differs from run to run on the server itself.
var runs = []struct {
	pattern *regexp.Regexp
	neutral string
}{
	{regexp.MustCompile(`t\d+_\d+`), "DATABASE"},
	{regexp.MustCompile(`PID \d+`), "PID"},
	{regexp.MustCompile(`large object \d+`), "large object OID"},
	{regexp.MustCompile(`.* (\(every 0.01s\))`), "TIME $1"},
}

func neutral(text string) string {
	for _, r := range runs {
		text = r.pattern.ReplaceAllString(text, r.neutral)
	}
	return text
}

// compare shows every difference, with what led there.
func compare(t *testing.T, direct, through string) {
	t.Helper()
	if direct == through {
		return
	}
	dir := t.TempDir()
	for name, text := range map[string]string{"direct": direct, "proxy": through} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "diff", "-U4", "direct", "proxy")
	cmd.Dir = dir
	out, _ := cmd.Output() // an error: they differ
	t.Errorf("the client sees a difference:\n%s", out)
}

// run returns all that a program prints.
func run(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}
