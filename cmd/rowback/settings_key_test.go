package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// The flag and the file name a file; the variable is the key itself.
func TestSettings_JournalKey(t *testing.T) {
	inDirectory(t)
	write(t, "a.key", strings.Repeat("aa", journal.KeySize)+"\n")
	write(t, "b.key", strings.Repeat("bb", journal.KeySize))
	env := map[string]string{"ROWBACK_JOURNAL_KEY": strings.Repeat("cc", journal.KeySize)}
	for _, c := range []struct {
		file string
		env  map[string]string
		args []string
		want byte
	}{
		{"", nil, nil, 0}, {"journal-key: a.key\n", nil, nil, 0xaa}, {"journal-key: a.key\n", env, nil, 0xcc}, {"", env, []string{"--journal-key", "b.key"}, 0xbb},
	} {
		write(t, "rowback.yaml", c.file)
		s, _, err := loaded(t, c.env, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		key, err := s.journalKey()
		if want := bytes.Repeat([]byte{c.want}, journal.KeySize); err != nil || c.want == 0 && key != nil || c.want != 0 && !bytes.Equal(key, want) {
			t.Errorf("%+v: %x, %v", c, key, err)
		}
	}
	for text, set := range map[string]map[string]string{"not-a-key-at-all": {"ROWBACK_JOURNAL_KEY": "not-a-key-at-all"}, "missing.key": nil} {
		write(t, "rowback.yaml", "journal-key: missing.key\n")
		s, _, err := loaded(t, set)
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.journalKey()
		if err == nil || exitCode(err) != exitUsage || set != nil && strings.Contains(err.Error(), text) || set == nil && !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}
