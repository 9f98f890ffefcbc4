package upkeep_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
	"github.com/rowback/rowback/journal/upkeep"
)

func TestMain(m *testing.M) {
	code := pgtest.Run(m, pgtest.Options{})
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// kinds are the locations of a journal of each kind.
func kinds(t *testing.T) map[string]string {
	return map[string]string{"embedded": filepath.Join(t.TempDir(), "journal"), "shared": pgtest.Shared(t).URL(pgtest.Database(t))}
}

func open(t *testing.T, location string, key []byte) journal.Journal {
	t.Helper()
	j, err := journals.Open(t.Context(), location, journal.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

var now = time.Now().UTC()

// add stores an entry of this age with so many keys, and images if its number is even.
func add(t *testing.T, j journal.Journal, age time.Duration, outcome journal.Outcome, keys int) *journal.Entry {
	t.Helper()
	at := now.Add(-age)
	e := &journal.Entry{ID: journal.NewID(at), Time: at, Kind: journal.Deletion, Database: "shop", User: "batch", Outcome: outcome, Rows: int64(keys),
		Statements: []journal.Statement{{SQL: "DELETE FROM orders", Tag: fmt.Sprint("DELETE ", keys)}},
		Tables:     []journal.Table{{Schema: "public", Name: "orders", Rows: int64(keys), Via: journal.Direct, KeysCaptured: true, RowsCaptured: keys%2 == 0, Key: []journal.Column{{Name: "id", Type: "bytea"}}}}}
	k := j.Gather(t.TempDir())
	defer k.Close()
	for i := range keys {
		text := fmt.Sprint(i, "\xff")
		if err := k.Add(journal.Row{Values: []*string{&text}}); err != nil {
			t.Fatal(err)
		}
		if keys%2 == 0 {
			if err := k.AddImage(journal.Image{Data: []byte(strings.Repeat(text, 5000))}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := j.Append(t.Context(), e, k); err != nil {
		t.Fatal(err)
	}
	return e
}

func all(t *testing.T, j journal.Journal) (entries []*journal.Entry) {
	t.Helper()
	for e, err := range j.Entries(t.Context(), journal.Filter{}) {
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, e)
	}
	return entries
}

func content(t *testing.T, j journal.Journal, id string) (rows []journal.Row, images []journal.Image) {
	t.Helper()
	for r, err := range j.Rows(t.Context(), id) {
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, r)
	}
	for i, err := range j.Images(t.Context(), id) {
		if err != nil {
			t.Fatal(err)
		}
		images = append(images, i)
	}
	return rows, images
}

// What goes out of a journal of one kind comes into one of the other whole, with
// its key or without, and once.
func TestExportImport(t *testing.T) {
	for from, to := range map[string]string{"embedded": "shared", "shared": "embedded"} {
		for _, key := range [][]byte{nil, bytes.Repeat([]byte{7}, journal.KeySize)} {
			a, b := open(t, kinds(t)[from], key), open(t, kinds(t)[to], key)
			for i, n := range []int{0, 1, 2, 3000, 40} {
				add(t, a, time.Duration(i)*time.Hour, journal.Committed, n)
			}
			grant := &journal.Allowance{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), Rows: 10, By: "ops"}
			hold := &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), SQL: "DELETE"}
			_, decided := a.Decide(t.Context(), "none", journal.Denied, "", "", now)
			if err := errors.Join(a.Grant(t.Context(), grant), a.Use(t.Context(), grant.ID, "u", 7, now), a.Hold(t.Context(), hold)); err != nil || !errors.Is(decided, journal.ErrNotFound) {
				t.Fatal(err, decided)
			}
			if _, err := a.Decide(t.Context(), hold.ID, journal.Denied, "ops", "no", now); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if n, err := upkeep.Export(t.Context(), a, journal.Filter{}, &out); err != nil || n != 5 {
				t.Fatalf("exported %d, %v", n, err)
			}
			half := out.Bytes()[:out.Len()/2]
			if _, err := upkeep.Import(t.Context(), b, bytes.NewReader(half), t.TempDir()); err == nil {
				t.Error("half an export was taken for a whole one")
			}
			first := len(all(t, b))
			done, err := upkeep.Import(t.Context(), b, bytes.NewReader(out.Bytes()), t.TempDir())
			if want := (upkeep.Imported{Entries: int64(5 - first), Approvals: 2, There: int64(first)}); err != nil || *done != want {
				t.Fatalf("imported %+v, %v, want %+v", done, err, want)
			}
			if !reflect.DeepEqual(all(t, a), all(t, b)) {
				t.Error("the entries differ")
			}
			for _, e := range all(t, a) {
				rows, images := content(t, a, e.ID)
				gotRows, gotImages := content(t, b, e.ID)
				if !reflect.DeepEqual(rows, gotRows) || !reflect.DeepEqual(images, gotImages) {
					t.Errorf("keys or images of %s (%d rows) differ", e.ID, e.Rows)
				}
			}
			x, err1 := a.Allowances(t.Context(), time.Time{})
			y, err2 := b.Allowances(t.Context(), time.Time{})
			v, err3 := a.Holds(t.Context(), "")
			w, err4 := b.Holds(t.Context(), "")
			if err := errors.Join(err1, err2, err3, err4); err != nil || !reflect.DeepEqual(x, y) || !reflect.DeepEqual(v, w) {
				t.Errorf("approvals differ: %v", err)
			}
			if r, err := upkeep.Verify(t.Context(), b); err != nil || !r.OK() || r.Entries != 5 || r.Keys != 3043 || r.Images != 3042 {
				t.Errorf("verified: %+v, %v", r, err)
			}
			var csv bytes.Buffer
			if _, err := upkeep.ExportCSV(t.Context(), b, journal.Filter{}, &csv); err != nil || strings.Count(csv.String(), "\n") != 1+3043+1 {
				t.Errorf("CSV of %d lines, %v", strings.Count(csv.String(), "\n"), err)
			}
		}
	}
}

func TestCompact(t *testing.T) {
	const day = 24 * time.Hour
	for kind, where := range kinds(t) {
		j := open(t, where, nil)
		old, doubt, older := add(t, j, 100*day, journal.Committed, 500), add(t, j, 99*day, journal.InDoubt, 1), add(t, j, 120*day, journal.Blocked, 1)
		week, today, fresh := add(t, j, 7*day, journal.Committed, 3000), add(t, j, 2*day, journal.Committed, 3000), add(t, j, time.Hour, journal.Committed, 3000)
		live := &journal.Allowance{ID: journal.NewID(now), Time: now.Add(-100 * day), Expires: now.Add(time.Hour), Rows: 10}
		ended := &journal.Allowance{ID: journal.NewID(now), Time: now.Add(-100 * day), Expires: now.Add(-99 * day), Rows: 10}
		waiting := &journal.Hold{ID: journal.NewID(now), Time: now.Add(-100 * day), Expires: now.Add(time.Hour)}
		expired := &journal.Hold{ID: journal.NewID(now), Time: now.Add(-100 * day), Expires: now.Add(-99 * day)}
		if err := errors.Join(j.Grant(t.Context(), live), j.Grant(t.Context(), ended), j.Hold(t.Context(), waiting), j.Hold(t.Context(), expired)); err != nil {
			t.Fatal(err)
		}
		left := func(want ...*journal.Entry) {
			t.Helper()
			var got, ids []string
			for _, e := range all(t, j) {
				got = append(got, e.ID)
			}
			for _, e := range want {
				ids = append(ids, e.ID)
			}
			if !reflect.DeepEqual(got, ids) {
				t.Errorf("%s: left %v, want %v", kind, got, ids)
			}
		}
		dry, err := upkeep.Compact(t.Context(), j, upkeep.Limits{Keep: 90 * day}, now, true)
		if err != nil || dry.Entries != 2 || dry.InDoubt != 1 || dry.Approvals != 2 {
			t.Errorf("%s: dry: %+v, %v", kind, dry, err)
		}
		left(fresh, today, week, doubt, old, older)
		done, err := upkeep.Compact(t.Context(), j, upkeep.Limits{Keep: 90 * day}, now, false)
		if err != nil || done.Entries != 2 || done.InDoubt != 1 || done.Approvals != 2 || done.Bytes != dry.Bytes {
			t.Errorf("%s: by age: %+v, %v", kind, done, err)
		}
		left(fresh, today, week, doubt)
		if a, err := j.Allowances(t.Context(), time.Time{}); err != nil || len(a) != 1 || a[0].ID != live.ID {
			t.Errorf("%s: allowances %+v, %v", kind, a, err)
		}
		if h, err := j.Holds(t.Context(), ""); err != nil || len(h) != 1 || h[0].ID != waiting.ID {
			t.Errorf("%s: holds %+v, %v", kind, h, err)
		}
		done, err = upkeep.Compact(t.Context(), j, upkeep.Limits{Size: done.LeftBytes - 100}, now, false)
		if err != nil || done.Entries != 1 || done.Over != 0 {
			t.Errorf("%s: by size: %+v, %v", kind, done, err)
		}
		left(fresh, today, doubt)
		done, err = upkeep.Compact(t.Context(), j, upkeep.Limits{Size: 1}, now, false)
		if err != nil || done.Entries != 1 || done.Over == 0 {
			t.Errorf("%s: to nothing: %+v, %v", kind, done, err)
		}
		left(fresh, doubt)
		k := j.(journal.Keeper)
		if err := k.Remove(t.Context(), []string{fresh.ID, doubt.ID}); !errors.Is(err, journal.ErrInDoubt) {
			t.Errorf("%s: an entry in doubt was removed: %v", kind, err)
		}
		left(fresh, doubt)
		if err := k.Shrink(t.Context()); err != nil {
			t.Errorf("%s: %v", kind, err)
		}
		if r, err := upkeep.Verify(t.Context(), j); err != nil || !r.OK() || r.InDoubt != 1 {
			t.Errorf("%s: %+v, %v", kind, r, err)
		}
	}
}

// What is read of many entries together is what is read of each.
func TestContents(t *testing.T) {
	for kind, where := range kinds(t) {
		j := open(t, where, nil)
		ids := []string{"nobody's"}
		for _, keys := range []int{0, 3, 4, 5001} { // none; one block; likewise; several
			ids = append(ids, add(t, j, time.Hour, journal.Committed, keys).ID)
		}
		all, err := j.(journal.Keeper).Contents(t.Context(), ids)
		if err != nil || len(all) != len(ids)-1 {
			t.Fatalf("%s: %d entries, %v", kind, len(all), err)
		}
		for _, id := range ids[1:] {
			e, err := j.Entry(t.Context(), id)
			if err != nil || !reflect.DeepEqual(all[id].Entry, e) {
				t.Errorf("%s: %+v, want %+v, %v", kind, all[id].Entry, e, err)
			}
			if is, want := gathered(t, all[id].Rows), gathered(t, j.Rows(t.Context(), id)); !reflect.DeepEqual(is, want) {
				t.Errorf("%s: %d rows, want %d", kind, len(is), len(want))
			}
			if is, want := gathered(t, all[id].Images), gathered(t, j.Images(t.Context(), id)); !reflect.DeepEqual(is, want) {
				t.Errorf("%s: %d images, want %d", kind, len(is), len(want))
			}
		}
		if none, err := j.(journal.Keeper).Contents(t.Context(), nil); err != nil || len(none) != 0 {
			t.Errorf("%s: %v, %v", kind, none, err)
		}
	}
}

func gathered[T any](t *testing.T, all iter.Seq2[T, error]) (out []T) {
	for x, err := range all {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, x)
	}
	return out
}

// Verify goes on after damage, and lists it all.
func TestVerify_Damage(t *testing.T) {
	where := pgtest.Shared(t).URL(pgtest.Database(t))
	j := open(t, where, nil)
	whole, broken, short, image := add(t, j, 0, journal.Committed, 3), add(t, j, 0, journal.Committed, 5001), add(t, j, 0, journal.Committed, 5), add(t, j, 0, journal.Committed, 4)
	changed := add(t, j, 0, journal.Committed, 1)
	odd := &journal.Entry{ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: journal.Committed, Tables: []journal.Table{{Schema: "s", Name: "t", Key: []journal.Column{{Name: "id", Type: "integer"}}}}}
	k := journal.NewKeys("")
	defer k.Close()
	if err := errors.Join(k.Add(journal.Row{}), j.Append(t.Context(), odd, k)); err != nil {
		t.Fatal(err)
	}
	pgtest.Exec(t, where,
		"UPDATE rowback_journal.block SET data = overlay(data placing '7' from length(data)) WHERE entry = (SELECT no FROM rowback_journal.entry WHERE id = '"+changed.ID+"')",
		"UPDATE rowback_journal.block SET data = overlay(data placing '\\x00ff00ff' from 20) WHERE entry = (SELECT no FROM rowback_journal.entry WHERE id = '"+broken.ID+"')",
		"DELETE FROM rowback_journal.block WHERE entry = (SELECT no FROM rowback_journal.entry WHERE id = '"+short.ID+"')",
		"DELETE FROM rowback_journal.image WHERE entry = (SELECT no FROM rowback_journal.entry WHERE id = '"+image.ID+"')")
	r, err := upkeep.Verify(t.Context(), j)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range r.Damaged {
		found[d.ID] = true
	}
	if r.Entries != 6 || !found[changed.ID] || !found[odd.ID] || !found[broken.ID] || !found[short.ID] || !found[image.ID] || found[whole.ID] || !found[""] {
		t.Errorf("%+v", r)
	}
}

// What is said of an entry is verified too, in either kind of journal.
func TestVerify_DamagedEntry(t *testing.T) {
	for name, change := range map[string]string{
		"table":   `body = CAST(replace(CAST(body AS text), '"table":"orders"', '"table":"ordeRs"') AS %s)`,
		"time":    "time = time + 1",
		"ID":      "id = replace(id, '0', '1')",
		"outcome": "outcome = 'comnitted'",
	} {
		for kind, where := range kinds(t) {
			j := open(t, where, nil)
			add(t, j, time.Hour, journal.Committed, 7)
			if kind == "shared" {
				pgtest.Exec(t, where, "UPDATE rowback_journal.entry SET "+strings.ReplaceAll(change, "%s", "json"))
			} else {
				db, err := sql.Open("sqlite3", filepath.Join(where, "journal.db"))
				if err == nil {
					_, err = db.Exec("UPDATE entry SET " + strings.ReplaceAll(change, "%s", "blob"))
				}
				if err := errors.Join(err, db.Close()); err != nil {
					t.Fatal(err)
				}
			}
			add(t, j, 0, journal.Committed, 3) // read together with it, and whole
			if v, err := upkeep.Verify(t.Context(), j); err != nil || v.Entries != 2 || len(v.Damaged) != 1 || v.Damaged[0].ID == "" || v.Keys < 3 {
				t.Errorf("%s, %s: %+v, %v", kind, name, v, err)
			}
		}
	}
}

func TestImport_Nonsense(t *testing.T) {
	j := open(t, kinds(t)["embedded"], nil)
	for _, text := range []string{"x", "{}", `{"keys":[[0,"1"]]}`, `{"entry":{"id":"A"}}` + "\n" + `{"entry":{"id":"B"}}`,
		`{"entry":{"id":"A","time":"2026-01-01T00:00:00Z"}}` + "\n" + `{"end":{"id":"A","keys":1}}`, `{"entry":{"id":"A"}}` + "\n" + `{"keys":[[]]}`} {
		if done, err := upkeep.Import(context.Background(), j, io.MultiReader(strings.NewReader(text)), t.TempDir()); err == nil {
			t.Errorf("%s: %+v", text, done)
		}
	}
	if n := len(all(t, j)); n != 0 {
		t.Errorf("%d entries of nonsense", n)
	}
}
