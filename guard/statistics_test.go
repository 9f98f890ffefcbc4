package guard_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// What the server's counters show a client of its own transaction: of rows what they
// would without rowback, and of scans too, but for those that look for the keys where a
// cascade, or a TRUNCATE, removes rows.
func TestStatistics_AsAClientSeesThem(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	type counted struct {
		rows string
		seq  int
		idx  int
	}
	read := func(t *testing.T, via string, sql ...string) map[string]counted {
		db := e.database + "_x"
		pgtest.Shared(t).CreateDatabase(t, db, e.database)
		defer pgtest.Exec(t, pgtest.Shared(t).URL("postgres"), "DROP DATABASE "+db+" WITH (FORCE)")
		c := connect(t, strings.Replace(via, e.database, db, 1), pgx.QueryExecModeSimpleProtocol)
		defer c.Close(t.Context())
		for _, sql := range append([]string{"BEGIN"}, sql...) {
			mustExec(t, c, sql)
		}
		rows, err := c.Query(t.Context(), `SELECT relname, format('%s %s %s %s', n_tup_ins, n_tup_upd, n_tup_del, n_tup_hot_upd), seq_scan, coalesce(idx_scan, 0)
			FROM pg_stat_xact_user_tables WHERE schemaname = 'public'`)
		if err != nil {
			t.Fatal(err)
		}
		out, name, is := map[string]counted{}, "", counted{}
		if _, err := pgx.ForEachRow(rows, []any{&name, &is.rows, &is.seq, &is.idx}, func() error { out[name] = is; return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, x := range map[string]struct {
		sql   []string
		reads []string // the tables that are scanned for the keys
	}{
		"cascade":    {[]string{"DELETE FROM orders WHERE id < 20"}, []string{"payments", "refunds", "notes"}},
		"no cascade": {[]string{"UPDATE plain SET a = 'x' WHERE id = 3", "DELETE FROM plain WHERE id < 9", "INSERT INTO plain VALUES (1000, 'new')"}, nil},
		"function":   {[]string{"SELECT purge(3)"}, nil},
		"truncate":   {[]string{"DELETE FROM small WHERE id = 1", "TRUNCATE small"}, []string{"small"}},
	} {
		t.Run(name, func(t *testing.T) {
			want, got := read(t, e.direct, x.sql...), read(t, e.url, x.sql...)
			for table, is := range got {
				w := want[table]
				if slices.Contains(x.reads, table) {
					if is.seq+is.idx <= w.seq+w.idx {
						t.Errorf("no further scan of %s, %+v; README says there is", table, is)
					}
					is.seq, is.idx = w.seq, w.idx
				}
				if is != w {
					t.Errorf("%s: %+v, want %+v", table, is, w)
				}
			}
		})
	}
}
