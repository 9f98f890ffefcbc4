package crash

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
)

// pollTime bounds the wait for something that must come about.
const pollTime = 30 * time.Second

func query[T any](t *testing.T, url, sql string) []T {
	t.Helper()
	ctx := context.Background()
	c, err := pgx.Connect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(ctx)
	rows, err := c.Query(ctx, sql)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[T])
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// compare settles what is in doubt, by sessions through the proxy, and checks
// that the journal's committed entries hold every key that the database lost
// once, and nothing else but what they say is not sure. It returns how many.
func compare(t *testing.T, direct, through, dir string) int {
	t.Helper()
	ctx := context.Background()
	j, err := journals.Open(ctx, dir, journal.Options{MustExist: true})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	awaitQuiet(t, direct)
	for deadline := time.Now().Add(pollTime); ; {
		query[int](t, through, "SELECT 1")
		doubts := entries(t, j, journal.Filter{Outcome: journal.InDoubt})
		if len(doubts) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d entries stay in doubt, the first: %+v", len(doubts), doubts[0])
		}
	}
	truth := map[string]int{}
	for _, k := range query[string](t, direct, "SELECT t || ' ' || id FROM deleted_log") {
		truth[k]++
	}
	rows := len(truth)
	var unsure []share
	for _, e := range entries(t, j, journal.Filter{Outcome: journal.Committed}) {
		keys := make([][]string, len(e.Tables))
		for row, err := range j.Rows(ctx, e.ID) {
			if err != nil {
				t.Fatal(err)
			}
			keys[row.Table] = append(keys[row.Table], e.Tables[row.Table].Name+" "+*row.Values[0])
		}
		for i, table := range e.Tables {
			switch {
			case !table.KeysCaptured:
				unsure = append(unsure, share{e, table, keys[i]})
				continue
			case int64(len(keys[i])) != table.Rows:
				t.Errorf("entry %s has %d keys of %d rows: %+v; statements %+v", e.ID, len(keys[i]), table.Rows, table, e.Statements)
			}
			for _, k := range keys[i] {
				if truth[k]--; truth[k] < 0 {
					t.Errorf("%s is in entry %s (xid %s), but was not deleted, or is in another one too", k, e.ID, e.XID)
				}
			}
		}
	}
	// Two deletions met in a cascade, and without a connection of rowback's own the
	// entry says that some of its keys are the other's.
	for _, x := range unsure {
		n := int64(0)
		for _, k := range x.keys {
			if truth[k] > 0 {
				truth[k]--
				n++
			}
		}
		if n != x.table.Rows {
			t.Errorf("entry %s: %d of its keys are in no other one, it has %d rows: %+v", x.entry.ID, n, x.table.Rows, x.table)
		}
		t.Logf("entry %s says that it has %d keys of %d rows", x.entry.ID, len(x.keys), x.table.Rows)
	}
	missing := 0
	for k, n := range truth {
		if n > 0 {
			if missing++; missing < 10 {
				t.Errorf("%s was deleted without evidence", k)
			}
		}
	}
	left := query[int64](t, direct, "SELECT (SELECT count(*) FROM parents) + (SELECT count(*) FROM children)")[0]
	if int(left)+rows != 3*parents {
		t.Errorf("the truth is not true: %d rows left, %d logged as deleted", left, rows)
	}
	return rows
}

// share is what an entry has of a table.
type share struct {
	entry *journal.Entry
	table journal.Table
	keys  []string
}

func entries(t *testing.T, j journal.Journal, f journal.Filter) (out []*journal.Entry) {
	t.Helper()
	for e, err := range j.Entries(context.Background(), f) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

func through(addr, database string) string {
	return fmt.Sprintf("postgres://postgres@%s/%s?sslmode=disable&connect_timeout=5", addr, database)
}

// connect waits for the server if it is recovering.
func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	for deadline := time.Now().Add(pollTime); ; {
		c, err := pgx.Connect(context.Background(), url)
		if err == nil {
			return c
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		pause(context.Background())
	}
}

// awaitQuiet waits until the server has done with what clients left behind: a
// statement whose client has gone runs, and may commit, all the same. A session
// of the load that is idle may have one on its way: it has to be gone.
func awaitQuiet(t *testing.T, url string) {
	t.Helper()
	for deadline := time.Now().Add(pollTime); ; {
		busy := query[string](t, url, `SELECT query FROM pg_stat_activity
			WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
			AND (state <> 'idle' OR application_name = '`+loadName+`')`)
		if len(busy) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the server does not come to rest: %q", busy)
		}
	}
}

// awaitDeletions waits until n more rows have been deleted.
func awaitDeletions(t *testing.T, url string, n int) {
	t.Helper()
	ctx := context.Background()
	c := connect(t, url)
	defer c.Close(ctx)
	start := -1
	for deadline := time.Now().Add(pollTime); ; {
		var now int
		if err := c.QueryRow(ctx, "SELECT count(*) FROM deleted_log").Scan(&now); err != nil {
			t.Fatal(err)
		}
		if start < 0 {
			start = now
		}
		if now >= start+n {
			return
		}
		pause(ctx)
		if time.Now().After(deadline) {
			t.Fatalf("the clients delete nothing: %d rows of %d", now-start, n)
		}
	}
}
