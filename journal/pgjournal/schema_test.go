package pgjournal_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/pgjournal"
	"github.com/rowback/rowback/journal/upkeep"
)

// version1 is the URL of a journal as the last rowback of version 1 wrote it, by
// pg_dump: two entries of three rows, the older one committed, the other one with
// images under version1Key; an allowance that is used, a hold, and what a window counts.
func version1(t *testing.T) string {
	t.Helper()
	dump, err := os.ReadFile(filepath.Join("testdata", "version1.sql"))
	if err != nil {
		t.Fatal(err)
	}
	// The counts are of the day of the dump.
	return pgtest.Shared(t).URL(pgtest.Database(t, string(dump), "UPDATE rowback_journal.count_past SET upto = now()", "UPDATE rowback_journal.count_pending SET at = now()"))
}

var version1Key = bytes.Repeat([]byte{1}, journal.KeySize)

func checkVersion1(t *testing.T, j journal.Journal) {
	t.Helper()
	var got []string
	for e, err := range j.Entries(t.Context(), journal.Filter{Table: "orders"}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.ID, string(e.Outcome))
		for r, err := range j.Rows(t.Context(), e.ID) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, *r.Values[0])
		}
		for i, err := range j.Images(t.Context(), e.ID) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, string(i.Data))
		}
	}
	allowances, err := j.Allowances(t.Context(), time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range allowances {
		got = append(got, a.ID, fmt.Sprint(a.Rows, len(a.Uses), a.Uses[0].Rows))
	}
	holds, err := j.Holds(t.Context(), journal.Waiting)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range holds {
		got = append(got, h.ID, h.What)
	}
	want := []string{
		"01KG9YS8K3152EXTW1A1J4A8YJ", "in_doubt", "41", "42", "ä", "the row of 41", "the row of 42", "the row of ä",
		"01KG9YS7KV4X2GB5HJ32FWSZZR", "committed", "41", "42", "ä",
		"01KG9YS9K3152EXTW1A1J4A8YJ", "10 1 3", "01KG9YSAK3152EXTW1A1J4A8YJ", "DELETE would remove 3 rows",
	}
	if !slices.Equal(got, want) {
		t.Errorf("read %q, want %q", got, want)
	}
	if v, err := upkeep.Verify(t.Context(), j); err != nil || !v.OK() || v.Entries != 2 || v.Keys != 6 || v.Images != 3 {
		t.Errorf("verified %+v, %v", v, err)
	}
}

func TestOpen_Version1IsMigrated(t *testing.T) {
	url := version1(t)
	for n := range int64(2) { // once brought up, and once more as it then is
		j := openAt(t, url, journal.Options{Key: version1Key, Proxy: "p1"})
		checkVersion1(t, j)
		if is := number(t, url, format); is != 3 {
			t.Errorf("format %d", is)
		}
		f := j.(journal.Fleet)
		if id := f.Identity(); id != "ae2be3eb-bc43-41d5-8f48-3e8ee2228007" {
			t.Errorf("identity %s", id)
		}
		sums, err := f.Count(t.Context(), fmt.Sprint(n), []journal.Count{{Rule: "night", Key: "batch", Per: 24 * time.Hour, Rows: 1}})
		if err != nil || !slices.Equal(sums, []int64{7 + n}) {
			t.Errorf("counted %v, %v", sums, err)
		}
		if err := j.Use(t.Context(), "01KG9YS9K3152EXTW1A1J4A8YJ", "01KG9YS7KV4X2GB5HJ32FWSZZR", 3, time.Date(2026, 1, 31, 12, 30, 0, 0, time.UTC)); err != nil {
			t.Error(err)
		}
		j.Close()
	}
	// What it made is what a new one is made of.
	fresh := pgtest.Shared(t).URL(pgtest.Database(t))
	openAt(t, fresh, journal.Options{})
	if got, want := columns(t, url), columns(t, fresh); got != want {
		t.Errorf("the schema is\n%s\nwant\n%s", got, want)
	}
	// And it is written as that is.
	j, e := openAt(t, url, journal.Options{Key: version1Key}), newEntry()
	e.Tables[0].Key = []journal.Column{{Name: "id", Type: "bigint"}}
	if err := j.Append(t.Context(), e, twoKeys(t)); err != nil {
		t.Fatal(err)
	}
	if v, err := upkeep.Verify(t.Context(), j); err != nil || !v.OK() || v.Keys != 8 {
		t.Errorf("verified %+v, %v", v, err)
	}
}

// What only reads leaves the format as it is: the proxies that wrote it may start again.
func TestOpen_ReaderRaisesNothing(t *testing.T) {
	url := version1(t)
	j := openAt(t, url, journal.Options{Reader: true, MustExist: true, Key: version1Key})
	checkVersion1(t, j)
	if err := j.Ping(t.Context()); err != nil {
		t.Errorf("Ping: %v", err)
	}
	if err := j.Append(t.Context(), newEntry(), nil); err == nil {
		t.Error("a reader has written to it")
	}
	if n := number(t, url, format); n != 1 {
		t.Errorf("a reader has raised the format to %d", n)
	}
	openAt(t, url, journal.Options{})
	if n := number(t, url, format); n != 3 {
		t.Errorf("format %d", n)
	}
}

const format = "SELECT version FROM rowback_journal.journal"

// columns is what there is in the schema, as text.
func columns(t *testing.T, url string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	rows, err := conn.Query(t.Context(), `
		SELECT format('%s.%s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attstorage, pg_get_expr(d.adbin, d.adrelid))
		FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
		WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'r'
		UNION ALL SELECT pg_get_indexdef(indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE c.relnamespace = $1::regnamespace
		UNION ALL SELECT conrelid::regclass || ' ' || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = $1::regnamespace AND contype <> 'n' ORDER BY 1`, pgjournal.Schema)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "\n")
}

func number(t *testing.T, url, sql string) (n int64) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		err = conn.QueryRow(t.Context(), sql).Scan(&n)
		conn.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	return n
}
