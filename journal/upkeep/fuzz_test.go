package upkeep_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/upkeep"
)

// exported is what goes out of a small journal: an entry with keys, one with images, one in
// doubt, an allowance that was used, and a hold.
func exported(f *testing.F) []byte {
	f.Helper()
	j, err := journal.Open(f.Context(), filepath.Join(f.TempDir(), "journal"), journal.Options{})
	if err != nil {
		f.Fatal(err)
	}
	defer j.Close()
	for keys, outcome := range []journal.Outcome{journal.Blocked, journal.Committed, journal.Committed, journal.InDoubt} {
		at := now.Add(time.Duration(keys) * time.Second)
		e := &journal.Entry{ID: journal.NewID(at), Time: at, Kind: journal.Deletion, Database: "shop", Outcome: outcome, Rows: int64(keys), XID: "7",
			Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: int64(keys), Via: journal.Direct, KeysCaptured: true, RowsCaptured: keys == 2, Key: []journal.Column{{Name: "id", Type: "text"}}}}}
		k := j.Gather(f.TempDir())
		for i := range keys {
			text := strings.Repeat("ü", i)
			if err := k.Add(journal.Row{Values: []*string{&text}}); err != nil {
				f.Fatal(err)
			}
			if keys == 2 {
				if err := k.AddImage(journal.Image{Data: []byte(text)}); err != nil {
					f.Fatal(err)
				}
			}
		}
		if err := j.Append(f.Context(), e, k); err != nil {
			f.Fatal(err)
		}
		k.Close()
	}
	grant := &journal.Allowance{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour), Rows: 10, By: "ops"}
	for _, do := range []func() error{
		func() error { return j.Grant(f.Context(), grant) },
		func() error { return j.Use(f.Context(), grant.ID, "u", 4, now) },
		func() error {
			return j.Hold(f.Context(), &journal.Hold{ID: journal.NewID(now), Time: now, Expires: now.Add(time.Hour)})
		},
	} {
		if err := do(); err != nil {
			f.Fatal(err)
		}
	}
	var out bytes.Buffer
	if _, err := upkeep.Export(f.Context(), j, journal.Filter{}, &out); err != nil {
		f.Fatal(err)
	}
	return out.Bytes()
}

// Whatever is imported, the journal is whole after it: what was taken can be read, and goes
// out again. What cannot be taken is an error.
func FuzzImport(f *testing.F) {
	seed := exported(f)
	f.Add(seed)
	for line := range bytes.Lines(seed) {
		f.Add(line)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, lines []byte) {
		place, err := os.MkdirTemp(dir, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(place)
		j, err := journal.Open(t.Context(), filepath.Join(place, "journal"), journal.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer j.Close()
		_, err = upkeep.Import(t.Context(), j, bytes.NewReader(lines), place)
		v, verr := upkeep.Verify(t.Context(), j)
		if verr != nil || !v.OK() {
			t.Fatalf("after an import that ended with %v: %+v, %v", err, v, verr)
		}
		var out bytes.Buffer
		if _, err := upkeep.Export(t.Context(), j, journal.Filter{}, &out); err != nil {
			t.Fatal(err)
		}
	})
}

// Any bytes of a journal's file may have changed: it cannot be opened or read, or is read as
// it was, or verify says what is damaged. In doubt is what the changed bytes are nothing to.
func FuzzJournalFile(f *testing.F) {
	place := f.TempDir()
	j, err := journal.Open(f.Context(), filepath.Join(place, "journal"), journal.Options{})
	if err != nil {
		f.Fatal(err)
	}
	if _, err := upkeep.Import(f.Context(), j, bytes.NewReader(exported(f)), place); err != nil {
		f.Fatal(err)
	}
	var was bytes.Buffer
	if _, err := upkeep.Export(f.Context(), j, journal.Filter{}, &was); err != nil {
		f.Fatal(err)
	}
	if err := j.Close(); err != nil {
		f.Fatal(err)
	}
	file, err := os.ReadFile(filepath.Join(place, "journal", "journal.db"))
	if err != nil {
		f.Fatal(err)
	}
	for _, at := range []uint32{0, 24, 100, 4096, 5000, 9000, 20000} {
		f.Add(at, byte(1), at+77, byte(0x80))
	}
	f.Fuzz(func(t *testing.T, at uint32, by byte, at2 uint32, by2 byte) {
		place, err := os.MkdirTemp(place, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(place)
		changed := bytes.Clone(file)
		changed[int(at)%len(file)] ^= by
		changed[int(at2)%len(file)] ^= by2
		if err := os.WriteFile(filepath.Join(place, "journal.db"), changed, 0o600); err != nil {
			t.Fatal(err)
		}
		j, err := journal.Open(t.Context(), place, journal.Options{})
		if err != nil {
			return
		}
		defer j.Close()
		if v, err := upkeep.Verify(t.Context(), j); err != nil || !v.OK() {
			return
		}
		var is bytes.Buffer
		if _, err := upkeep.Export(t.Context(), j, journal.Filter{}, &is); err == nil && !bytes.Equal(is.Bytes(), was.Bytes()) {
			t.Errorf("verify finds nothing, and it is read as\n%s\nnot\n%s", &is, &was)
		}
	})
}
