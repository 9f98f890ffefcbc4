package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// aftermathLab is a journal of deletions, restores and undos of table t.
type aftermathLab struct {
	t   *testing.T
	env map[string]string
	j   journal.Journal
	now time.Time
	// Where the next entries are.
	database string
	server   journal.Server
}

func newAftermathLab(t *testing.T) *aftermathLab {
	env, j := journalEnv(t)
	return &aftermathLab{t: t, env: env, j: j, now: time.Now().Add(-time.Hour), database: "shop"}
}

// entry records rows first to last of t; with of it is a restore, or an undo.
func (l *aftermathLab) entry(kind journal.Kind, first, last int, of ...string) string {
	l.t.Helper()
	return l.table(journal.Table{Schema: "public", Name: "t", OID: 7, Via: journal.Direct, Key: []journal.Column{{Name: "id", Type: "bigint"}}}, kind, first, last, of...)
}

func (l *aftermathLab) table(t journal.Table, kind journal.Kind, first, last int, of ...string) string {
	l.t.Helper()
	l.now = l.now.Add(time.Second)
	t.Rows, t.KeysCaptured = int64(last-first+1), len(t.Key) > 0
	e := &journal.Entry{ID: journal.NewID(l.now), Time: l.now, Kind: kind, Outcome: journal.Committed, Database: l.database, Server: l.server, Restores: of, Rows: t.Rows, Tables: []journal.Table{t}}
	if len(of) > 0 {
		e.Application = "rowback restore"
	}
	keys := journal.NewKeys("")
	var err error
	for n := first; n <= last && len(t.Key) > 0; n++ {
		value := fmt.Sprint(n)
		if strings.HasPrefix(t.Key[0].Type, "timestamp") {
			value = t.Key[0].Name + value
		}
		err = errors.Join(err, keys.Add(journal.Row{Values: []*string{&value}}))
	}
	if err := errors.Join(err, l.j.Append(l.t.Context(), e, keys), keys.Close()); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

// kind is what the list calls an entry; it must be what the entry in full is called.
func (l *aftermathLab) kind(id, want string, by ...string) {
	l.t.Helper()
	full := runWith(l.t, l.env, "log", id).stdout
	for line := range strings.Lines(runWith(l.t, l.env, "log").stdout) {
		if strings.Contains(line, id+"  ") && !strings.Contains(line, "  "+want+"  ") {
			l.t.Errorf("not called %q: %s", want, line)
		}
	}
	var got []string
	for line := range strings.Lines(full) {
		if what, text, _ := strings.Cut(line, " by "); what == "restored" || what == "undone" {
			got = append(got, strings.TrimSpace(text))
		}
	}
	if !strings.Contains(full, "kind         "+want+"\n") || strings.Join(got, "|") != strings.Join(by, "|") {
		l.t.Errorf("in full, want %q by %q:\n%s", want, by, full)
	}
}

// Not all came back: it is said how many did.
func TestLog_RestoredInPart(t *testing.T) {
	l := newAftermathLab(t)
	id := l.entry(journal.Deletion, 1, 14)
	l.kind(id, "deletion")
	first := l.entry(journal.Restore, 1, 13, id)
	l.kind(id, "deletion, restored in part (13 of 14)", first+": 13 rows")
	var e struct{ Restored back }
	if err := json.Unmarshal([]byte(runWith(t, l.env, "log", "--kind", "deletion", "--output", "json").stdout), &e); err != nil || e.Restored.Rows != 13 || e.Restored.Of != 14 || !e.Restored.Known || e.Restored.By[0].ID != first {
		t.Errorf("%+v, %v", e, err)
	}
	second := l.entry(journal.Restore, 14, 14, id)
	l.kind(id, "deletion, restored", first+": 13 rows", second+": 1 row")
	undo := l.entry(journal.Deletion, 1, 10, first)
	l.kind(id, "deletion, restored in part (4 of 14)", first+": 13 rows; 10 of them undone by "+undo, second+": 1 row")
	l.kind(first, "restore, undone in part (10 of 13)", undo+": 10 rows")
	again := l.entry(journal.Restore, 1, 10, undo)
	l.kind(id, "deletion, restored", first+": 13 rows; 10 of them undone by "+undo, second+": 1 row", again+": 10 rows")
	l.kind(undo, "deletion, restored", again+": 10 rows")
	l.kind(first, "restore", undo+": 10 rows; brought back again by "+again)
}

// The row that is missing is not the one that was brought back twice.
func TestLog_RestoredTwiceIsNotAll(t *testing.T) {
	l := newAftermathLab(t)
	id := l.entry(journal.Deletion, 1, 14)
	first, second := l.entry(journal.Restore, 1, 13, id), l.entry(journal.Restore, 13, 13, id)
	l.kind(id, "deletion, restored in part (13 of 14)", first+": 13 rows", second+": 1 row")
}

// A restore of several deletions is one of those whose rows it brought.
func TestLog_RestoredWithOthers(t *testing.T) {
	l := newAftermathLab(t)
	f, g := l.entry(journal.Deletion, 1, 5), l.entry(journal.Deletion, 6, 8)
	first := l.entry(journal.Restore, 1, 5, f)
	second := l.entry(journal.Restore, 6, 8, g, f)
	l.kind(f, "deletion, restored", first+": 5 rows")
	l.kind(g, "deletion, restored", second+": 3 rows")
	undo := l.entry(journal.Deletion, 1, 8, second, first)
	l.kind(f, "deletion", first+": 5 rows; undone by "+undo)
	l.kind(second, "restore, undone", undo+": 3 rows")
	both := l.entry(journal.Restore, 1, 8, g, f)
	l.kind(f, "deletion, restored", first+": 5 rows; undone by "+undo, both+": 5 rows")
}

// Where no key tells whose rows a restore brought, nobody is said to have all back.
func TestLog_PerhapsRestored(t *testing.T) {
	l := newAftermathLab(t)
	bag := journal.Table{Schema: "public", Name: "bag", Via: journal.Direct, RowsCaptured: true}
	f, g := l.table(bag, journal.Deletion, 1, 5), l.table(bag, journal.Deletion, 1, 3)
	some := l.table(bag, journal.Restore, 1, 4, g, f)
	l.kind(f, "deletion, perhaps restored", some+": 4 rows, which may be of others")
	rest := l.table(bag, journal.Restore, 1, 2, f)
	l.kind(f, "deletion, restored, at least 2 of 5", some+": 4 rows, which may be of others", rest+": 2 rows")
}

// Links that were cut are told from the rows that have them.
func TestLog_RestoredLinks(t *testing.T) {
	l := newAftermathLab(t)
	link := journal.Table{Schema: "public", Name: "t", Via: journal.SetNull, Key: []journal.Column{{Name: "id", Type: "bigint"}}}
	id := l.table(link, journal.Deletion, 1, 3)
	first := l.table(link, journal.Restore, 1, 2, id)
	other := l.entry(journal.Deletion, 3, 3) // the row itself
	l.kind(id, "deletion, restored in part (2 of 3)", first+": 2 links")
	last := l.table(link, journal.Restore, 3, 3, other, id)
	l.kind(other, "deletion")
	l.kind(id, "deletion, restored", first+": 2 links", last+": 1 link")
}

// One restore of many large deletions that brought all of them needs no key to say so,
// nor does one of one; others are told within limits.
func TestLog_OfMillionsReadsNoKeys(t *testing.T) {
	l := newAftermathLab(t)
	rows := func(n int64, kind journal.Kind, of ...string) *journal.Entry {
		l.now = l.now.Add(time.Second)
		e := &journal.Entry{ID: journal.NewID(l.now), Time: l.now, Kind: kind, Rows: n, Restores: of,
			Tables: []journal.Table{{Schema: "public", Name: "t", Rows: n, Via: journal.Direct, KeysCaptured: true, Key: []journal.Column{{Name: "id"}}}}}
		return e
	}
	a := &aftermath{of: map[string][]*journal.Entry{}, entries: map[string]*journal.Entry{}, left: listingKeys} // without a journal to read
	became := func(e *journal.Entry, want string, later ...*journal.Entry) {
		t.Helper()
		a.entries[e.ID] = e
		clear(a.of)
		for _, x := range later {
			for _, id := range x.Restores {
				a.of[id] = append(a.of[id], x)
			}
		}
		if got, err := a.kind(t.Context(), e); err != nil || got != want {
			t.Errorf("%q, %v; want %q", got, err, want)
		}
	}
	const many = 3e6
	f, g := rows(many, journal.Deletion), rows(many, journal.Deletion)
	a.entries[g.ID] = g
	became(f, "deletion, restored", rows(2*many, journal.Restore, f.ID, g.ID))
	became(f, "deletion, perhaps restored", rows(2*many-1, journal.Restore, f.ID, g.ID))
	became(f, "deletion, restored in part (2999999 of 3000000)", rows(many-1, journal.Restore, f.ID))
	first := rows(many, journal.Restore, f.ID)
	became(f, "deletion", first, rows(many, journal.Deletion, first.ID))
	became(f, "deletion, perhaps restored", first, rows(many-1, journal.Deletion, first.ID))
	one, two := rows(many/2, journal.Restore, f.ID), rows(many/2, journal.Restore, f.ID)
	became(f, "deletion, perhaps restored", one, two)
	one.Batch, two.Batch, a.entries[two.ID] = one.ID, one.ID, two
	became(f, "deletion, restored", one, two)
	became(one, "restore, undone", rows(many, journal.Deletion, one.ID, two.ID))
}

// A key is the same whatever the session's time zone and the way it was written are, and whatever the
// table is called now.
func TestLog_KeysWrittenOtherwise(t *testing.T) {
	l := newAftermathLab(t)
	stamp := func(table, at string) journal.Table {
		return journal.Table{Schema: "public", Name: table, OID: 9, Via: journal.Direct, Key: []journal.Column{{Name: at, Type: "timestamp with time zone"}}}
	}
	// The prefix is taken for the value's beginning.
	id := l.table(stamp("was", "2026-01-01 12:00:00+0"), journal.Deletion, 1, 3)
	part := l.table(stamp("is", "2026-01-01 13:00:00+0"), journal.Restore, 2, 3, id)
	l.kind(id, "deletion, restored in part (2 of 3)", part+": 2 rows")
	other := l.table(stamp("is", "2026-02-01T12:00:00.00+00:0"), journal.Deletion, 1, 3) // the row's number is the offset's minute
	both := l.table(stamp("is", "2026-02-01 12:00:00+00:0"), journal.Restore, 1, 3, id, other)
	l.kind(other, "deletion, restored", both+": 3 rows")
}

// What became of an entry may take more room than its column has: those behind the tables
// stay where they are.
func TestLog_ColumnsBehindALongKind(t *testing.T) {
	l := newAftermathLab(t)
	id := l.entry(journal.Deletion, 1, 4500)
	l.entry(journal.Restore, 1, 1, id)
	head, lines, _ := strings.Cut(runWith(t, l.env, "log").stdout, "\n")
	for line := range strings.Lines(lines) {
		if at := strings.Index(line, "@shop"); at != strings.Index(head, "USER@DATABASE") {
			t.Errorf("the user is at %d:\n%s\n%s", at, head, line)
		}
	}
	if !strings.Contains(lines, "deletion, restored in part (1 of 4500)") {
		t.Errorf("%s", lines)
	}
}
