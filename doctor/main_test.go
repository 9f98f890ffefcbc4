package doctor

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

func TestMain(m *testing.M) {
	code := pgtest.Run(m, pgtest.Options{Unsafe: true})
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

const shop = `CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE payments (id int PRIMARY KEY, order_id int REFERENCES orders ON DELETE CASCADE);`

// configured is a configuration without databases, for checks that need none.
func configured(t *testing.T) Options {
	t.Helper()
	return Options{
		ConfigFile: "rowback.yaml", Policy: policy.Policy{Default: policy.Base()}, Listen: "127.0.0.1:0",
		Upstream: "host=127.0.0.1 port=1", Redacted: "127.0.0.1:1", Production: "host=127.0.0.1 port=1", Journal: t.TempDir() + "/journal",
	}
}

var shops sync.Once

// healthy is a configuration that all checks are content with. Its databases
// are shared: a test that changes them wants its own.
func healthy(t *testing.T) Options {
	t.Helper()
	o, c := configured(t), pgtest.Shared(t)
	shops.Do(func() {
		for _, name := range []string{"shop", "shop_backup"} {
			pgtest.Exec(t, c.URL("postgres"), "CREATE DATABASE "+name)
			pgtest.Exec(t, c.URL(name), shop)
		}
	})
	o.Upstream, o.Redacted, o.Control = c.URL("postgres"), c.URL("postgres"), true
	o.Production, o.Recovery = c.URL("shop"), c.URL("shop_backup")
	return o
}

// own is healthy with databases of the test's own.
func own(t *testing.T) Options {
	t.Helper()
	o, c := healthy(t), pgtest.Shared(t)
	o.Production, o.Recovery = c.URL(pgtest.Database(t, shop)), c.URL(pgtest.Database(t, shop))
	return o
}

func look(t *testing.T, o Options) *Report {
	t.Helper()
	r, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// expect is that one check of this name ended so, and says so.
func (r *Report) expect(t *testing.T, name string, s Status, says string) {
	t.Helper()
	var all strings.Builder
	for _, c := range r.Checks {
		if c.Name != name {
			continue
		}
		text := c.Seen + "\n" + strings.Join(c.List, "\n") + "\n" + c.Mend
		if c.Status == s && strings.Contains(text, says) {
			if s != OK && s != Note && c.Mend == "" && !strings.Contains(c.Seen, ";") {
				t.Errorf("%s says no mend: %s", name, c.Seen)
			}
			return
		}
		all.WriteString("\n" + string(c.Status) + ": " + text)
	}
	t.Errorf("%s: none is %s and says %q:%s", name, s, says, all.String())
}

func TestRun_AllIsWell(t *testing.T) {
	r := look(t, healthy(t))
	for _, c := range r.Checks {
		if c.Status != OK && c.Name != "alerts" && c.Name != aroundTheProxy {
			t.Errorf("%+v", c)
		}
	}
	for _, name := range []string{
		"configuration", "rules", "upstream", "control connection", "journal", "journal disk", "TLS", "admin endpoint", "listen", "production",
		"counting", "clock", "recovery", "recovery age", "two databases", "tables", "privileges", "triggers",
	} {
		r.expect(t, name, OK, "")
	}
}
