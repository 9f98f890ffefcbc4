package doctor

import (
	"bytes"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// imaged makes o's journal with one entry that has an image of a row.
func imaged(t *testing.T, o Options, key []byte) {
	t.Helper()
	j, err := journal.Open(t.Context(), o.Journal, journal.Options{Key: key})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	keys := j.Gather(t.TempDir())
	defer keys.Close()
	if err := keys.AddImage(journal.Image{Data: []byte("row")}); err != nil {
		t.Fatal(err)
	}
	e := journal.Entry{Time: time.Now(), Kind: journal.Deletion, Database: "shop", Outcome: journal.Committed, Rows: 1,
		Tables: []journal.Table{{Schema: "public", Name: "t", Rows: 1, RowsCaptured: true, Columns: []journal.ImageColumn{{Name: "v", Type: "text"}}}}}
	e.ID = journal.NewID(e.Time)
	if err := j.Append(t.Context(), &e, keys); err != nil {
		t.Fatal(err)
	}
}

// keyFile makes o's key the one in a file.
func keyFile(t *testing.T, o *Options, key []byte, mode os.FileMode) {
	t.Helper()
	o.JournalKeyFile = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(o.JournalKeyFile, []byte(hex.EncodeToString(key)), mode); err != nil {
		t.Fatal(err)
	}
	path := o.JournalKeyFile
	o.JournalKey = func() ([]byte, error) { return journal.ReadKey(path) }
}

func TestJournalKey(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, journal.KeySize), bytes.Repeat([]byte{2}, journal.KeySize)
	for _, c := range []struct {
		name         string
		wrote, given []byte
		mode         os.FileMode
		status       Status
		says         string
	}{
		{"the right one", key, key, 0o600, OK, "encrypted; those of entry"},
		{"another one", key, other, 0o600, Fail, "the key given is another one"},
		{"none, but it was encrypted", key, nil, 0, Fail, "no key is given"},
		{"not encrypted", nil, nil, 0, OK, "in clear; those of entry"},
		{"anybody may read it", key, key, 0o644, Warn, "others may read"},
		{"no key", key, key[:9], 0o600, Fail, "a restore only with --no-images"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := configured(t)
			o.Policy.Default.Capture = policy.CaptureRows
			imaged(t, o, c.wrote)
			if c.given != nil {
				keyFile(t, &o, c.given, c.mode)
			}
			look(t, o).expect(t, keyCheck, c.status, c.says)
		})
	}
	o := configured(t)
	keyFile(t, &o, key, 0o600)
	written(t, o)
	look(t, o).expect(t, keyCheck, OK, "there are none yet")
}
