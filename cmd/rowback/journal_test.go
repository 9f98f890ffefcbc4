package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/upkeep"
	"github.com/rowback/rowback/recovery"
)

func TestJournal_Subcommands(t *testing.T) {
	dir := inDirectory(t)
	from, to := filepath.Join(dir, "journal"), pgtest.Shared(t).URL(pgtest.Database(t))
	j, err := journal.Open(t.Context(), from, journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, age := range []time.Duration{time.Hour, 100 * 24 * time.Hour} {
		at := time.Now().Add(-age)
		k := j.Gather("")
		one := "1"
		if err := k.Add(journal.Row{Values: []*string{&one}}); err != nil {
			t.Fatal(err)
		}
		if err := j.Append(t.Context(), &journal.Entry{ID: journal.NewID(at), Time: at, Kind: journal.Deletion, Outcome: journal.Committed, Rows: 1,
			Tables: []journal.Table{{Name: "orders", Rows: 1, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "bigint"}}}}}, k); err != nil {
			t.Fatal(err)
		}
		k.Close()
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"keys.csv": "id,name\n1,x\n", "log.json": `{"id":"01","outcome":"committed"}`, "empty.jsonl": "", "cut.jsonl": `{"entry":{"id":"01`, "odd.jsonl": `{"entry":1}`,
	} {
		write(t, name, text)
	}
	for _, c := range []struct {
		args string
		code int
		says string
	}{
		{"journal verify --journal " + from, exitDone, "2 entries, 2 keys"},
		{"journal export --file all.jsonl --journal " + from, exitDone, "2 entries"},
		{"journal export --file all.jsonl --journal " + from, exitUsage, "is there already"},
		{"journal export --file none/all.jsonl --journal " + from, exitUsage, "--file: none/all.jsonl cannot be written: there is no directory none"},
		{"journal export --format csv --journal " + from, exitDone, `"{""id"":""1""}"`},
		{"journal export --format xml --journal " + from, exitUsage, "none of jsonl, csv"},
		{"journal import all.jsonl --journal " + to, exitDone, "2 entries and 0 allowances and holds are new, 0 were there"},
		{"journal import all.jsonl --journal " + to, exitDone, "0 entries and 0 allowances and holds are new, 2 were there"},
		{"journal import keys.csv --journal " + filepath.Join(dir, "new"), exitUsage, "keys.csv, line 1: it is none that `rowback journal export` writes"},
		{"journal import log.json --journal " + filepath.Join(dir, "new"), exitUsage, "log.json, line 1"},
		{"journal import " + dir + " --journal " + filepath.Join(dir, "new"), exitUsage, "cannot be read"},
		{"journal import empty.jsonl --journal " + to, exitDone, "0 entries"},
		{"journal import cut.jsonl --journal " + to, exitFailed, "cut.jsonl, after 0 entries: line 1: the export ends in the middle of it"},
		{"journal import odd.jsonl --journal " + to, exitFailed, "odd.jsonl, after 0 entries: line 1: it is none that"},
		{"journal import none.jsonl --journal " + to, exitUsage, "none.jsonl"},
		{"journal compact --journal " + to, exitUsage, "nothing says how much to keep"},
		{"journal compact --journal-keep 1h --journal " + to, exitUsage, "less than a day"},
		{"journal compact --journal-keep 90d --dry-run --journal " + to, exitDone, "would remove 1 entries"},
		{"journal compact --journal-keep 90d --journal-max-size 1GB --shrink --journal " + to, exitDone, "removed 1 entries"},
		{"journal compact --shrink --journal " + to, exitDone, "1 entries of"},
		{"journal verify --output json --journal " + to, exitDone, `"entries":1`},
	} {
		r := runWith(t, nil, strings.Fields(c.args)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("%s: exit %d, %q, %q; want exit %d and %q", c.args, r.code, r.stdout, r.stderr, c.code, c.says)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "new")); err == nil {
		t.Error("a journal was made for what is none")
	}
	pgtest.Exec(t, to, "DELETE FROM rowback_journal.block")
	if r := runWith(t, nil, "journal", "verify", "--journal", to); r.code != exitProblems || !strings.Contains(r.stdout, "damaged: ") || !strings.Contains(r.stdout, "rowback diff") {
		t.Errorf("damage: %+v", r)
	}
}

// An age that is longer than can be counted must not come out as a short one.
// What takes long with a large journal says how far it is.
func TestJournal_Progress(t *testing.T) {
	j, err := journal.Open(t.Context(), t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for i := range 3 {
		at := time.Now().Add(-time.Duration(i) * time.Hour)
		if err := j.Append(t.Context(), &journal.Entry{ID: journal.NewID(at), Time: at, Kind: journal.Deletion, Outcome: journal.Blocked, Rows: 1}, nil); err != nil {
			t.Fatal(err)
		}
	}
	var said strings.Builder
	w := watched{j, j.(journal.Keeper), recovery.NewProgress(&said, true)}
	if v, err := upkeep.Verify(t.Context(), w); err != nil || v.Entries != 3 || !v.OK() {
		t.Errorf("%+v, %v", v, err)
	}
	n, err := upkeep.Export(t.Context(), w, journal.Filter{Since: time.Now().Add(-90 * time.Minute)}, io.Discard)
	if err != nil || n != 2 {
		t.Errorf("%d, %v", n, err)
	}
	w.p.Done()
	if got := said.String(); strings.Count(got, "reading the journal …") != 2 {
		t.Errorf("said %q", got)
	}
}

func TestParseAgo(t *testing.T) {
	for text, want := range map[string]time.Duration{"0d": 0, "7d": 7 * 24 * time.Hour, "2w": 14 * 24 * time.Hour, "15250w": 15250 * 7 * 24 * time.Hour, "90m": 90 * time.Minute} {
		if got, err := parseAgo(text); err != nil || got != want {
			t.Errorf("%q is %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"15251w", "20000w", "30501w", "32767w", "40000w", "9000000h", "-1h", "-1d", "d", "1.5d"} {
		if got, err := parseAgo(text); err == nil {
			t.Errorf("%q is %v", text, got)
		}
	}
	if err := checkKeep("30501w"); err == nil {
		t.Error("journal-keep: 30501w is taken")
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{"": 0, "7": 7, "50GB": 50e9, "1.5 GiB": 3 << 29, "10kb": 10000, "2TB": 2e12} {
		if got, err := parseSize(text); err != nil || got != want {
			t.Errorf("%q is %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"GB", "-1GB", "0", "1XB", "1GBB", "9e30", "many", "NaN", "nanGB", "inf"} {
		if got, err := parseSize(text); err == nil {
			t.Errorf("%q is %d", text, got)
		}
	}
}
