package diff

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// Rows whose links a deletion cut are there: a comparison by key says that they may
// be, so does what restores by its keys, and one of contents counts them.
func TestRun_SaysThatLinksMayHaveBeenCut(t *testing.T) {
	l := newLab(t, `CREATE TABLE staff (id int PRIMARY KEY); CREATE TABLE jobs (id int PRIMARY KEY, boss int REFERENCES staff ON DELETE SET NULL);
		CREATE TABLE parts (id int, boss int DEFAULT 3 REFERENCES staff ON DELETE SET DEFAULT, PRIMARY KEY (id)) PARTITION BY RANGE (id);
		CREATE TABLE parts_1 PARTITION OF parts DEFAULT; CREATE TABLE pay (boss int PRIMARY KEY REFERENCES staff ON DELETE CASCADE);
		INSERT INTO staff VALUES (1), (2), (3); INSERT INTO jobs SELECT i, 1 FROM generate_series(1, 5) i; INSERT INTO parts VALUES (1, 2)`)
	text := func(o Options) string {
		var b bytes.Buffer
		l.diff(o).WriteText(&b)
		return b.String()
	}
	const links = "public.jobs (boss) to public.staff, ON DELETE SET NULL; public.parts (boss) to public.staff, ON DELETE SET DEFAULT; "
	has := func(text string, want ...string) {
		t.Helper()
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("no %q in\n%s", w, text)
			}
		}
	}
	if whole := text(Options{}); strings.Contains(whole, "links") {
		t.Errorf("nothing is lost:\n%s", whole)
	}
	l.exec("DELETE FROM staff WHERE id < 3")
	has(text(Options{Rows: true}), links+"the rows that had them are among the changed ones", "\n2 rows lost, 6 rows changed; ")
	has(text(Options{}), links+"`rowback diff --rows`", "\n2 rows lost; ")
	if r := l.restore(); r.Restored != 2 || !slices.ContainsFunc(r.Warnings, func(w string) bool { return strings.Contains(w, links+"`rowback diff --rows`") }) {
		t.Errorf("%+v", r)
	}
	has(text(Options{}), "No row is lost; contents were not compared (--rows does); ")
	has(text(Options{Rows: true}), "No row is lost, 6 rows changed; ")
}
