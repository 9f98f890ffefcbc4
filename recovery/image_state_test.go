package recovery

import (
	"strings"
	"testing"
)

// Of several deletions of a row the latest one's own source counts: its image, or the
// recovery database. What there was before a transaction is what comes back of it.
func TestImages_WhichStateOfARowCounts(t *testing.T) {
	first, second := "INSERT INTO p VALUES (1, 'first')", "INSERT INTO p VALUES (1, 'second')"
	const table, gone = "CREATE TABLE p (id int PRIMARY KEY, v text)", "DELETE FROM p"
	for name, c := range map[string]struct {
		entries func(l *lab) (ids []string)
		want    string
		warned  bool
	}{
		"an image, then a backup": {func(l *lab) []string {
			a := l.imaged(nil, gone)
			l.exec(second)
			l.backup()
			return []string{a, l.incident(gone)}
		}, "second", false},
		"a backup, then an image": {func(l *lab) []string {
			l.backup()
			a := l.incident(gone)
			l.exec(second)
			return []string{a, l.imaged(nil, gone)}
		}, "second", false},
		"an image that stands in": {func(l *lab) []string {
			a := l.imaged(nil, gone)
			l.backup()
			l.exec(second)
			return []string{a, l.incident(gone)}
		}, "first", true},
		"an older key that is not in the backup": {func(l *lab) []string {
			l.exec(gone)
			l.backup()
			l.exec(first)
			a := l.incident(gone)
			l.exec(second)
			return []string{a, l.imaged(nil, gone)}
		}, "second", false},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, table, first)
			ids := c.entries(l)
			report := l.restore(l.options(ids...))
			if got := l.state(l.production)["public.p"]["1"]["v"]; got != c.want || !report.Complete() {
				t.Errorf("%s; %+v", got, report)
			}
			if warned := strings.Contains(strings.Join(report.Warnings, "\n"), "at an earlier deletion"); warned != c.warned {
				t.Errorf("%q", report.Warnings)
			}
		})
	}
}
