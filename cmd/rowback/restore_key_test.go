package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// Who has lost the key of the images is told of the recovery database, and does
// not need the key for it.
func TestRestore_WithoutTheJournalKey(t *testing.T) {
	env, production, _ := restoreEnv(t)
	j, err := journal.Open(t.Context(), env["ROWBACK_JOURNAL"], journal.Options{Key: bytes.Repeat([]byte{1}, journal.KeySize)})
	if err != nil {
		t.Fatal(err)
	}
	keys := j.Gather(t.TempDir())
	defer keys.Close()
	for _, id := range []string{"1", "2", "3"} {
		if err := keys.AddImage(journal.Image{Data: []byte("row")}); err != nil {
			t.Fatal(err)
		}
		if err := keys.Add(journal.Row{Values: []*string{&id}}); err != nil {
			t.Fatal(err)
		}
	}
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed, Database: "shop", User: "app", Rows: 3,
		Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: 3, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}},
			RowsCaptured: true, Columns: []journal.ImageColumn{{Name: "id", Type: "bigint"}, {Name: "code", Type: "text"}}}}}
	if err := j.Append(t.Context(), e, keys); err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}

	write(t, "other.key", strings.Repeat("ab", journal.KeySize))
	write(t, "lost.csv", "id\n1\n")
	for file, why := range map[string]string{"": "no key is given", "other.key": "the key given is another one", "missing.key": "no such file"} {
		write(t, "rowback.yaml", "")
		if file != "" {
			write(t, "rowback.yaml", "journal-key: "+file+"\n")
		}
		r := runWith(t, env, "restore", e.ID, "--dry-run")
		r.check(t, exitUsage, why)
		checkHas(t, r.stderr, "or take every row from the recovery database, with --no-images")
		r = runWith(t, env, "restore", e.ID, "--dry-run", "--recovery", "")
		r.check(t, exitUsage, why)
		checkHas(t, r.stderr, "with --recovery and --no-images")
		runWith(t, env, "restore", e.ID, "--no-images", "--dry-run").check(t, exitDone, "")
		runWith(t, env, "restore", "--table", "orders", "--keys", "lost.csv", "--yes").check(t, exitDone, "")
	}
	runWith(t, env, "restore", e.ID, "--no-images", "--yes").check(t, exitDone, "")
	if n := orders(t, production); n != 9 {
		t.Errorf("%d orders", n)
	}
}
