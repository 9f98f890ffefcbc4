package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// suite is a client library's own test suite, of the version in go.mod: run
// through the proxy in block mode, and directly what does not pass there.
type suite struct {
	module string
	runs   []suiteRun
	// Tests that cannot pass through a proxy, or not in a test like this, by the
	// names that -skip takes, each with the reason. They do not run.
	except map[string]string
	// What must be ready in the server: SQL for the superuser, run by psql in a
	// new database of this name.
	database string
	setup    func(t *testing.T, dir string) string
	// Where the suite finds a server, over TCP, with a certificate of this CA (a PEM file).
	env func(t *testing.T, ca, addr string) []string
	// Mends the suite's sources, where it cannot run as it is.
	patch func(t *testing.T, dir string)
}

// suiteRun is one `go test`.
type suiteRun struct {
	name     string
	packages []string
	env      []string
	slow     []string // tests that only `make clients` runs
	whole    bool     // only `make clients` runs it
}

var suites = []suite{
	{
		module: "github.com/jackc/pgx/v5",
		runs: []suiteRun{
			{name: "pgx", packages: []string{"."}, slow: []string{"^TestListenNotifyWhileBusyIsSafe", "^TestFatalTxError", "^TestConnQueryErrorWhileReturningRows"}},
			{name: "pgconn", packages: []string{"./pgconn"}, slow: []string{"^TestConnExecBatchWriteError", "^TestConnStress", "^TestConnExecBatchHuge", "^TestCancelRequestContextWatcherHandler/Stress"}},
			{name: "pgxpool", packages: []string{"./pgxpool"}, slow: []string{"^TestPoolAcquirePingTimeout", "^TestPoolAfterRelease", "^TestPoolAcquireUnlimitedLifetimeDoesNotExpire"}},
			{name: "pgtype, stdlib and tracers", packages: []string{"./pgtype/...", "./stdlib", "./tracelog", "./multitracer"}, whole: true},
		},
		except: map[string]string{
			"^TestConnectTLSPasswordProtectedClientCert": "the server asks for the client's certificate, and a proxy that ends TLS has no key to show it with",
		},
		database: "pgx_test",
		setup: func(t *testing.T, dir string) string {
			return readFile(t, filepath.Join(dir, "testsetup", "postgresql_setup.sql"))
		},
		env: pgxEnv,
	},
	{
		module: "github.com/lib/pq",
		runs: []suiteRun{
			{name: "pq", packages: []string{".", "./hstore"}, slow: []string{"^TestContextCancelBegin", "^TestQueryRowContextBad"}},
			{name: "pq, binary parameters", packages: []string{".", "./hstore"}, env: []string{"PQTEST_BINARY_PARAMETERS=yes"}, whole: true},
		},
		except: map[string]string{
			"^Example(_openConfig|NewConnector|RegisterTLSConfig)$": "they connect to a server of a fixed name or port, and end the program if it is not there",
			"^TestSSL": "they need the server's own rules for TLS (hostnossl … reject, client certificates) to hold for the client, and names that resolve by /etc/hosts",
		},
		database: "pqgo",
		setup: func(t *testing.T, dir string) string {
			sql := readFile(t, filepath.Join(dir, "testdata", "postgres", "docker-entrypoint-initdb.d", "20-config.sql"))
			_, roles, ok := strings.Cut(sql, "\n\n") // after its ALTER SYSTEM
			if !ok {
				t.Fatal("lib/pq's set-up has another form")
			}
			return "CREATE ROLE pqgo SUPERUSER LOGIN;" + roles
		},
		env: func(t *testing.T, _, addr string) []string {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				t.Fatal(err)
			}
			return []string{"PGPORT=" + port} // its tests know the defaults of the rest
		},
		patch: func(t *testing.T, dir string) {
			// A tenth of a second for a connection, or it panics and the tests after it do not run.
			replace(t, filepath.Join(dir, "notify_test.go"),
				"case <-time.After(100 * time.Millisecond):\n\t\tpanic(", "case <-time.After(time.Minute):\n\t\tpanic(")
			// 50 milliseconds to connect, prepare and begin, and as many for a cancel to arrive.
			replace(t, filepath.Join(dir, "issues_test.go"), "ctxTimeout := time.Millisecond * 50\n", "ctxTimeout := time.Second\n")
			replace(t, filepath.Join(dir, "issues_test.go"), "SELECT pg_sleep(1) AS id", "SELECT pg_sleep(300) AS id")
		},
	},
}

// The suites' own pg_hba.conf, together.
const suitesHBA = `
local     all all                       trust
host      all pgx_md5,pqgomd5       all md5
host      all pgx_scram,pqgoscram   all scram-sha-256
host      all pgx_pw,pqgopassword   all password
hostssl   all pgx_ssl               all scram-sha-256
host      all all                   all trust
`

// pgxEnv is as in pgx's scripts/lib/test_targets.rb.
func pgxEnv(t *testing.T, ca, addr string) []string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	user := func(name, more string) string {
		return fmt.Sprintf("host=%s port=%s user=%s password=secret dbname=pgx_test %s", host, port, name, more)
	}
	tls := "sslmode=verify-full sslrootcert=" + ca
	return []string{
		"PGX_TEST_DATABASE=" + user("pgx_md5", ""),
		"PGX_TEST_TCP_CONN_STRING=" + user("pgx_md5", ""),
		"PGX_TEST_MD5_PASSWORD_CONN_STRING=" + user("pgx_md5", ""),
		"PGX_TEST_PLAIN_PASSWORD_CONN_STRING=" + user("pgx_pw", ""),
		"PGX_TEST_SCRAM_PASSWORD_CONN_STRING=" + user("pgx_scram", "channel_binding=disable"),
		"PGX_TEST_TLS_CONN_STRING=" + user("pgx_ssl", tls+" channel_binding=disable"),
		// It can bind to the server's channel because the proxy shows the server's certificate.
		"PGX_TEST_SCRAM_PLUS_CONN_STRING=" + user("pgx_ssl", tls+" channel_binding=require"),
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func replace(t *testing.T, path, old, new string) {
	t.Helper()
	text := readFile(t, path)
	if !strings.Contains(text, old) {
		t.Fatalf("%s does not say %q", path, old)
	}
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, old, new)), 0o600); err != nil {
		t.Fatal(err)
	}
}
