package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

func TestMain(m *testing.M) {
	pgtest.Main(m, pgtest.Options{Unsafe: true, Settings: []string{"track_commit_timestamp=on"}})
}

// lab is a production database, its copy, and a journal. Deletions are
// recorded by comparing all keys before and after: no code of guard's.
type lab struct {
	t                    testing.TB
	name                 string
	production, recovery string // URLs, of the superuser
	journal              journal.Journal
	conn                 *pgx.Conn // to production
	story                []string  // what was run on production up to the backup
}

// newLab runs sql in a fresh production database. backup must be called before a restore.
func newLab(t testing.TB, sql ...string) *lab {
	t.Helper()
	ctx := context.Background()
	l := &lab{t: t, name: pgtest.Database(t, sql...), story: sql}
	l.production = pgtest.Shared(t).URL(l.name)
	j, err := journal.Open(ctx, t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	l.journal = j
	return l
}

// backup copies production as it is now.
func (l *lab) backup() *lab {
	l.t.Helper()
	c := pgtest.Recovery(l.t)
	if l.conn != nil {
		l.conn.Close(context.Background())
		l.conn = nil
	}
	name := l.name + "_recovery"
	template := l.name
	if c != pgtest.Shared(l.t) {
		template = "template1"
	}
	c.CreateDatabase(l.t, name, template)
	l.t.Cleanup(func() { pgtest.Exec(l.t, c.URL("postgres"), "DROP DATABASE "+name+" WITH (FORCE)") })
	l.recovery = c.URL(name)
	if c != pgtest.Shared(l.t) {
		l.replay()
	}
	return l
}

func (l *lab) exec(sql ...string) {
	l.t.Helper()
	l.on(l.production, sql...)
	l.story = append(slices.Clip(l.story), sql...)
}

func (l *lab) on(url string, sql ...string) { l.t.Helper(); pgtest.Exec(l.t, url, sql...) }

// side is a session of the test's own on production.
func (l *lab) side(url string) *side {
	l.t.Helper()
	s, err := connect(context.Background(), "production", url, "")
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { s.conn.Close(context.Background()) })
	if err := s.exec(context.Background(), "SET search_path = "+s.path); err != nil {
		l.t.Fatal(err)
	}
	if err := s.load(context.Background()); err != nil {
		l.t.Fatal(err)
	}
	return s
}

// state is every row of every table: table → key → column → value.
type state map[string]map[string]map[string]string

// null stands for NULL in a state.
const null = "\x00null"

func (l *lab) state(url string) state {
	l.t.Helper()
	s := l.side(url)
	defer s.conn.Close(context.Background())
	out := state{}
	for _, t := range userTables(s) {
		var columns []string
		for _, c := range t.Columns {
			columns = append(columns, c.Name)
		}
		key := t.Key
		if len(key) == 0 {
			key = columns
		}
		rows, err := s.rows(context.Background(), fmt.Sprintf("SELECT %s, %s FROM %s t", texts("t", key), texts("t", columns), only(t)))
		if err != nil {
			l.t.Fatal(err)
		}
		out[display(t)] = map[string]map[string]string{}
		for _, r := range rows {
			row := map[string]string{}
			for i, c := range columns {
				row[c] = deref(r[len(key)+i])
			}
			out[display(t)][joinKey(r[:len(key)])] = row
		}
	}
	return out
}

func deref(v *string) string {
	if v == nil {
		return null
	}
	return *v
}

func joinKey(values []*string) string {
	var out []string
	for _, v := range values {
		out = append(out, deref(v))
	}
	return strings.Join(out, "\x1f")
}

func userTables(s *side) (out []*catalog.Table) {
	for _, t := range s.catalog.Tables {
		if (t.Kind == 'r' || t.Kind == 'p') && !t.Partition && t.Schema != "pg_catalog" && t.Schema != "information_schema" {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b *catalog.Table) int { return strings.Compare(display(a), display(b)) })
	return out
}

// incident runs sql on production and records what it deleted and cut loose.
func (l *lab) incident(sql ...string) string {
	l.t.Helper()
	before := l.state(l.production)
	l.exec(sql...)
	after := l.state(l.production)
	s := l.side(l.production)
	defer s.conn.Close(context.Background())
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed,
		Database: l.name, User: "app", Statements: []journal.Statement{{SQL: strings.Join(sql, "; "), Tag: "DELETE"}}}
	keys := journal.NewKeys(l.t.TempDir())
	defer keys.Close()
	add := func(t journal.Table, rows [][]*string) {
		t.Rows, t.KeysCaptured = int64(len(rows)), true
		for _, r := range rows {
			if err := keys.Add(journal.Row{Table: len(e.Tables), Values: r}); err != nil {
				l.t.Fatal(err)
			}
		}
		if len(rows) > 0 {
			e.Tables = append(e.Tables, t)
			if t.Old == nil {
				e.Rows += t.Rows
			}
		}
	}
	for _, t := range userTables(s) {
		old, now := before[display(t)], after[display(t)]
		var gone [][]*string
		for _, k := range slices.Sorted(maps.Keys(old)) {
			if now[k] == nil {
				gone = append(gone, splitKey(k))
			}
		}
		add(journal.Table{Schema: t.Schema, Name: t.Name, OID: t.OID, Via: journal.Direct, Key: journalColumns(t, t.Key)}, gone)
		for _, fk := range t.References {
			via := journal.SetNull
			if fk.OnDelete == catalog.SetDefault {
				via = journal.SetDef
			} else if fk.OnDelete != catalog.SetNull {
				continue
			}
			var cut [][]*string
			for _, k := range slices.Sorted(maps.Keys(old)) {
				if now[k] == nil || old[k][fk.Columns[0]] == now[k][fk.Columns[0]] {
					continue
				}
				row := splitKey(k)
				for _, c := range fk.Columns {
					v := old[k][c]
					row = append(row, &v)
				}
				cut = append(cut, row)
			}
			add(journal.Table{Schema: t.Schema, Name: t.Name, OID: t.OID, Via: via, Key: journalColumns(t, t.Key), Old: journalColumns(t, fk.Columns)}, cut)
		}
	}
	if err := l.journal.Append(context.Background(), e, keys); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

func splitKey(k string) (out []*string) {
	for _, v := range strings.Split(k, "\x1f") {
		out = append(out, &v)
	}
	return out
}

// options are those of a restore of these entries.
func (l *lab) options(ids ...string) Options {
	l.t.Helper()
	source, err := FromIDs(context.Background(), l.journal, ids)
	if err != nil {
		l.t.Fatal(err)
	}
	return Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source}
}

// restore must succeed.
func (l *lab) restore(o Options) *Report {
	l.t.Helper()
	report, err := Restore(context.Background(), o)
	if err != nil {
		l.t.Fatalf("restore: %v", err)
	}
	for _, c := range report.Checks {
		if !c.OK {
			l.t.Errorf("check failed: %+v", c)
		}
	}
	return report
}

// is compares states, and says where they differ.
func (l *lab) is(got, want state) {
	l.t.Helper()
	n := 0
	complain := func(format string, args ...any) {
		l.t.Helper()
		if n++; n <= 10 {
			l.t.Errorf(format, args...)
		}
	}
	for table, rows := range want {
		for k, row := range rows {
			if g := got[table][k]; g == nil {
				complain("%s %q is missing", table, k)
			} else if !maps.Equal(g, row) {
				complain("%s %q is %q, want %q", table, k, g, row)
			}
		}
		for k := range got[table] {
			if rows[k] == nil {
				complain("%s %q should not be there", table, k)
			}
		}
	}
}

// asRole is an ordinary role's URL to the same database.
func (l *lab) asRole(url, role string) string {
	return strings.Replace(url, "postgres://postgres@", "postgres://"+role+"@", 1)
}

// role makes an ordinary role that may do what a restore needs, in both databases.
func (l *lab) role(grants ...string) string {
	l.t.Helper()
	role := l.name + "_role"
	clusters := []*pgtest.Cluster{pgtest.Shared(l.t)}
	if r := pgtest.Recovery(l.t); r != clusters[0] {
		clusters = append(clusters, r)
	}
	for _, c := range clusters {
		pgtest.Exec(l.t, c.URL("postgres"), "CREATE ROLE "+role+" LOGIN")
		l.t.Cleanup(func() { pgtest.Exec(l.t, c.URL("postgres"), "DROP ROLE "+role) })
	}
	for _, url := range []string{l.production, l.recovery} {
		for _, g := range grants {
			pgtest.Exec(l.t, url, strings.ReplaceAll(g, "ROLE", role))
		}
		l.t.Cleanup(func() { pgtest.Exec(l.t, url, "DROP OWNED BY "+role) })
	}
	return role
}

var allGrants = []string{"GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ROLE", "GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO ROLE"}

// count finds a table's share of a report.
func (l *lab) count(r *Report, table string) Count {
	l.t.Helper()
	for _, c := range r.Tables {
		if c.Table == table {
			return c
		}
	}
	l.t.Fatalf("the report has no table %s: %+v", table, r.Tables)
	return Count{}
}
