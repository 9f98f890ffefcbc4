package backup

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery/check"
)

func verify(t *testing.T, o VerifyOptions) *VerifyReport {
	t.Helper()
	c := pgtest.Shared(t)
	o.Server, o.BinDir = c.URL("postgres"), filepath.Dir(c.Client(t, "pg_restore").Path)
	o.Now = func() time.Time { return time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC) }
	r, err := Verify(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *VerifyReport) says(t *testing.T, problems ...string) {
	t.Helper()
	if len(r.Problems) != len(problems) {
		t.Errorf("problems: %q, want %q", r.Problems, problems)
		return
	}
	for i, p := range problems {
		if !strings.Contains(r.Problems[i], p) {
			t.Errorf("problem %q, want %q", r.Problems[i], p)
		}
	}
}

func TestVerify_DumpsOfEveryKind(t *testing.T) {
	database := pgtest.Database(t, shop(t))
	for _, format := range []string{"custom", "directory", "tar", "plain"} {
		r := verify(t, VerifyOptions{Dump: dumped(t, database, "--format="+format), MaxAge: 25 * time.Hour})
		r.says(t)
		rows := map[string]TableRows{}
		for _, x := range r.Tables {
			rows[x.Table] = x
		}
		if x := rows["public.orders"]; x.Dump != 1003 || x.Restored != 1003 || len(rows) != 3 {
			t.Errorf("%s: %+v", format, r.Tables)
		}
		if x := rows[`public."Odd; \. ""table"`]; x.Dump != 10 || x.Restored != 10 {
			t.Errorf("%s: %+v", format, r.Tables)
		}
		if n := r.Newest; n == nil || n.Column != "created_at" || n.Age != 86400 {
			t.Errorf("%s: %+v", format, n)
		}
	}
	if left := ask(t, "postgres", "SELECT count(*)::text FROM pg_database WHERE datname ~ '^rowback_verify'"); left != "0" {
		t.Errorf("%s scratch databases are left", left)
	}
}

func TestVerify_FindsWhatIsWrong(t *testing.T) {
	// A trigger that drops rows on their way in, and a row that refers to none.
	path := dumped(t, pgtest.Database(t, shop(t)))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text = bytes.Replace(text, []byte("\nCOPY public.parts_1 "), []byte(`
CREATE FUNCTION public.swallow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN NEW.n > 2 THEN NEW END; END';
CREATE TRIGGER swallow BEFORE INSERT ON public.parts_1 FOR EACH ROW EXECUTE FUNCTION public.swallow();
COPY public.parts_1 `), 1)
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	r := verify(t, VerifyOptions{Dump: path, MaxAge: time.Hour, Queries: []check.Query{{Name: "no null notes", Query: "SELECT id FROM orders WHERE note IS NULL"}}})
	r.says(t, "public.parts_1: the dump has 7 rows, restored were 5", "its newest row is of 2026-11-01T12:00:00Z", "its checks found problems")
	var out bytes.Buffer
	r.WriteText(&out)
	if !strings.Contains(out.String(), "PROBLEM  query no null notes") || !strings.Contains(out.String(), "restored were 5") {
		t.Errorf("%s", out.String())
	}
	out.Reset()
	if err := r.WriteJSON(&out); err != nil || !json.Valid(out.Bytes()) {
		t.Errorf("%v: %s", err, out.String())
	}
}

// A dump without rows has all its tables, and as many rows as were dumped.
func TestVerify_WithoutRowsIsNotUsable(t *testing.T) {
	database := pgtest.Database(t, shop(t))
	verify(t, VerifyOptions{Dump: dumped(t, database, "--format=custom", "--schema-only")}).says(t, "no table has a row")
	verify(t, VerifyOptions{URL: pgtest.Shared(t).URL(pgtest.Database(t))}).says(t, "no table has a row")
}

func TestVerify_SaysWhichDeletionsItCouldUndo(t *testing.T) {
	database := pgtest.Database(t, shop(t), "CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN feeling AS mood; CREATE TABLE felt (id feeling PRIMARY KEY); INSERT INTO felt VALUES ('ok')")
	j, err := journal.Open(t.Context(), t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	via := journal.Direct
	deletion := func(at time.Time, table string, keys ...string) {
		e := &journal.Entry{ID: journal.NewID(at), Time: at, Kind: journal.Deletion, Outcome: journal.Committed, Database: "shop", Rows: int64(len(keys)),
			Tables: []journal.Table{{Schema: "public", Name: table, Rows: int64(len(keys)), Via: via, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}}}}}
		k := journal.NewKeys(t.TempDir())
		defer k.Close()
		for _, key := range keys {
			if err := k.Add(journal.Row{Values: []*string{&key}}); err != nil {
				t.Fatal(err)
			}
		}
		if err := j.Append(t.Context(), e, k); err != nil {
			t.Fatal(err)
		}
	}
	before, after := time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC), time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	deletion(before, "orders", "5000")
	deletion(after, "orders", "1", "2", "5000")
	deletion(after.Add(time.Second), "orders", "6000")
	deletion(after.Add(2*time.Second), "gone", "1")
	deletion(after.Add(2500*time.Millisecond), "felt", "sad", "ok") // of a domain over an enum
	via = journal.SoftDelete                                        // the row is there: nothing to look up, and not listed as of no keys
	deletion(after.Add(3*time.Second), "orders", "1")
	for i, e := range []*journal.Entry{{Alert: "CALL may have removed rows that nobody could count"}, {Rows: 7, Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: 7, Via: journal.Function}}}} {
		e.Time, e.Kind, e.Outcome, e.Database = after.Add(time.Minute+time.Duration(i)*time.Second), journal.Deletion, journal.Committed, "shop"
		e.ID = journal.NewID(e.Time)
		if err := j.Append(t.Context(), e, nil); err != nil {
			t.Fatal(err)
		}
	}
	r := verify(t, VerifyOptions{URL: pgtest.Shared(t).URL(database), Journal: j, Entries: 10, Database: "shop"})
	// Rows made and deleted since the backup make it no worse.
	r.says(t)
	if len(r.Warnings) != 4 || !strings.Contains(r.Warnings[0], "no keys of 7 rows") || !strings.Contains(r.Warnings[1], "nobody could count") || !strings.Contains(r.Warnings[2], "none of the 1 row") {
		t.Errorf("%q", r.Warnings)
	}
	var got []int64
	for _, e := range r.Entries {
		got = append(got, e.Keys, e.Present)
	}
	if want := []int64{0, 0, 0, 0, 2, 1, 1, 0, 1, 0, 3, 2, 1, 0}; len(got) != len(want) || string(mustJSON(t, got)) != string(mustJSON(t, want)) {
		t.Errorf("keys and present: %v, want %v", got, want)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	out, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
