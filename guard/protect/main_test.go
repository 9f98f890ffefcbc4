package protect_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, pgtest.Options{Unsafe: true, Settings: []string{"max_prepared_transactions=10"}})
}

// shop is the shape of the incident: four tables that cascade.
const shop = `
CREATE TABLE customers (id int PRIMARY KEY);
CREATE TABLE orders (id bigint PRIMARY KEY, customer int REFERENCES customers);
CREATE TABLE payments (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE);
CREATE TABLE refunds (id bigint PRIMARY KEY, payment_id bigint NOT NULL REFERENCES payments ON DELETE CASCADE);
CREATE TABLE audit_logs (id bigint PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE);
CREATE INDEX ON payments (order_id); CREATE INDEX ON refunds (payment_id); CREATE INDEX ON audit_logs (order_id);
INSERT INTO orders SELECT i FROM generate_series(1, 100) i;
INSERT INTO payments SELECT i, 1 + i % 100 FROM generate_series(1, 200) i;
INSERT INTO refunds SELECT i, 1 + i % 200 FROM generate_series(1, 200) i;
INSERT INTO audit_logs SELECT i, 1 + i % 100 FROM generate_series(1, 500) i;`

// lab is one database.
type lab struct {
	t    *testing.T
	name string
	conn *pgx.Conn // the superuser's
}

func newLab(t *testing.T, sql ...string) *lab {
	t.Helper()
	l := &lab{t: t, name: pgtest.Database(t, sql...)}
	l.conn = l.connect("postgres")
	return l
}

func (l *lab) connect(user string) *pgx.Conn {
	l.t.Helper()
	c, err := pgx.Connect(context.Background(), pgtest.Shared(l.t).UserURL(user, "", l.name))
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

// role makes a role for this test alone.
func (l *lab) role(attributes string) string {
	l.t.Helper()
	name := "r_" + l.name + fmt.Sprintf("_%d", len(l.query("SELECT 1 FROM pg_roles")))
	l.exec("CREATE ROLE " + name + " LOGIN " + attributes)
	l.t.Cleanup(func() {
		pgtest.Exec(l.t, pgtest.Shared(l.t).URL(l.name), "SET rowback.allow_drop = on", "DROP OWNED BY "+name+" CASCADE", "DROP ROLE "+name)
	})
	return name
}

func (l *lab) exec(sql ...string) {
	l.t.Helper()
	for _, s := range sql {
		if err := try(l.conn, s); err != nil {
			l.t.Fatalf("%v\n%s", err, s)
		}
	}
}

// try runs SQL, which may hold several statements.
func try(c *pgx.Conn, sql string) error {
	_, err := c.PgConn().Exec(context.Background(), sql).ReadAll()
	return err
}

// query is a result as text, a row a line.
func (l *lab) query(sql string) []string {
	l.t.Helper()
	return query(l.t, l.conn, sql)
}

func query(t *testing.T, c *pgx.Conn, sql string) (out []string) {
	t.Helper()
	rows, err := catalog.FromConn(c).Query(context.Background(), sql)
	if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	for _, r := range rows {
		var line []string
		for _, v := range r {
			if v == nil {
				line = append(line, "NULL")
			} else {
				line = append(line, *v)
			}
		}
		out = append(out, strings.Join(line, "|"))
	}
	return out
}

func (l *lab) install(o protect.InstallOptions) *protect.Plan {
	l.t.Helper()
	if o.Defaults == (protect.Limits{}) {
		o.Defaults = protect.Limits{Threshold: 1000, Mode: protect.Block}
	}
	p, err := protect.Install(context.Background(), l.conn, o)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lab) remove(o protect.RemoveOptions) *protect.Plan {
	l.t.Helper()
	p, err := protect.Remove(context.Background(), l.conn, o)
	if err != nil {
		l.t.Fatal(err)
	}
	return p
}

func (l *lab) status(names ...string) *protect.Status {
	l.t.Helper()
	s, err := protect.ReadStatus(context.Background(), l.conn, names)
	if err != nil {
		l.t.Fatal(err)
	}
	return s
}

// covered fails the test unless everything guarded is as it should be.
func (l *lab) covered() {
	l.t.Helper()
	if s := l.status(); !s.OK() {
		l.t.Errorf("%+v", s)
	}
}

// evidence is what was recorded: "schema.table via rows keys".
func (l *lab) evidence() []string {
	l.t.Helper()
	return l.query(`SELECT concat_ws(' ', schema_name || '.' || table_name, via, removed,
		(SELECT sum(array_length(keys, 1)) FROM rowback.evidence_key k WHERE k.evidence = e.id)) FROM rowback.evidence e ORDER BY id`)
}

// refused fails the test unless err is a refusal that says so.
func refused(t *testing.T, err error, message string) {
	t.Helper()
	var e *pgconn.PgError
	if !errors.As(err, &e) || e.Code != "RB001" || !strings.Contains(e.Message, message) || e.Detail == "" || e.Hint == "" {
		t.Errorf("%v, want RB001 with %q", err, message)
	}
}

func equal(t *testing.T, what string, got, want []string) {
	t.Helper()
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("%s:\ngot  %q\nwant %q", what, got, want)
	}
}

// schema is the database as pg_dump -s has it.
func (l *lab) schema() string {
	l.t.Helper()
	c := pgtest.Shared(l.t)
	out, err := c.Client(l.t, "pg_dump", "-s", "-d", c.URL(l.name)).CombinedOutput()
	if err != nil {
		l.t.Fatalf("%v\n%s", err, out)
	}
	var lines []string
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, `\`) { // \restrict has a random key
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

// journal is an empty one.
func (l *lab) journal() journal.Journal {
	l.t.Helper()
	j, err := journal.Open(l.t.Context(), l.t.TempDir(), journal.Options{})
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() {
		if err := j.Close(); err != nil {
			l.t.Error(err)
		}
	})
	return j
}
