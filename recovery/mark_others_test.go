package recovery

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/journal"
)

// What was soft-deleted by others on record stays so: before the deletion that is
// restored, or again since. What was set back between does not count.
func TestMark_OtherSoftDeletes(t *testing.T) {
	const (
		all    = "UPDATE p SET deleted_at = now()"
		second = "UPDATE p SET deleted_at = '2020-01-01' WHERE id = 2"
		back   = "UPDATE p SET deleted_at = NULL WHERE id = 2"
		since  = " has soft-deleted the row again since"
		before = " had soft-deleted the row before; restore that one, too"
	)
	for name, c := range map[string]struct {
		do   func(l *lab, soft func(string) string) (restored []string, other string)
		held string // the reason of row 2; "": it is set back
	}{
		"before": {func(l *lab, soft func(string) string) ([]string, string) {
			other := soft(second)
			return []string{soft(all)}, other
		}, before},
		"before, both restored": {func(l *lab, soft func(string) string) ([]string, string) {
			return []string{soft(second), soft(all)}, ""
		}, ""},
		"before, and set back by a restore": {func(l *lab, soft func(string) string) ([]string, string) {
			l.restore(l.options(soft(second)))
			return []string{soft(all)}, ""
		}, ""},
		"before, set back, and the restore taken back": {func(l *lab, soft func(string) string) ([]string, string) {
			other := soft(second)
			l.undo(UndoOptions{}, l.restore(l.options(other)).Entry)
			return []string{soft(all)}, other
		}, before},
		"before, removed, and restored from both": {func(l *lab, soft func(string) string) ([]string, string) {
			l.restore(l.options(soft(second), l.incident("DELETE FROM p WHERE id = 2")))
			return []string{soft(all)}, ""
		}, ""},
		"before, set back with one that is restored again, too": {func(l *lab, soft func(string) string) ([]string, string) {
			other, again := soft(second), soft(all)
			l.restore(l.options(other, again))
			return []string{again, soft(all)}, ""
		}, ""},
		"before the backup": {func(l *lab, soft func(string) string) ([]string, string) {
			soft(second)
			l.on(l.recovery, second)
			return []string{soft(all)}, ""
		}, ""},
		"before, by another column": {func(l *lab, soft func(string) string) ([]string, string) {
			l.softly("UPDATE p SET is_deleted = true WHERE id = 2", "p", "is_deleted")
			return []string{soft(all)}, ""
		}, ""},
		"before, when the key had values that are none any more": {func(l *lab, soft func(string) string) ([]string, string) {
			other := soft(second)
			l.exec("ALTER TABLE p ALTER id TYPE text USING 'x' || id")
			soft(strings.ReplaceAll(second, "id = 2", "id = 'x2'"))
			l.exec("ALTER TABLE p ALTER id TYPE int USING substr(id, 2)::int")
			return []string{soft(all)}, other
		}, before},
		"since": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.exec(back)
			return []string{first}, soft(second)
		}, since},
		"since, both restored": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.exec(back)
			return []string{first, soft(second)}, ""
		}, ""},
		"since a restore of the same": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.restore(l.options(first))
			return []string{first}, soft(second)
		}, since},
		"since, within a savepoint": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.exec(back)
			return []string{first}, soft("SAVEPOINT a; " + second)
		}, since},
		"since, and the table was rewritten": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.exec(back)
			other := soft(second)
			l.exec("ALTER TABLE p ALTER id TYPE bigint")
			return []string{first}, other
		}, since},
		"since, but rolled back": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.doubtful(second, "ROLLBACK", nil, journal.Table{Schema: "public", Name: "p", Via: journal.SoftDelete, Soft: []string{"deleted_at"}}, "2")
			return []string{first}, ""
		}, ""},
		"long before": {func(l *lab, soft func(string) string) ([]string, string) {
			old := func(e *journal.Entry) { e.Time = e.Time.Add(-lookBack - time.Hour) }
			l.doubtful(second, "COMMIT", old, journal.Table{Schema: "public", Name: "p", Via: journal.SoftDelete, Soft: []string{"deleted_at"}}, "2")
			return []string{soft(all)}, ""
		}, ""},
		"between two that are restored": {func(l *lab, soft func(string) string) ([]string, string) {
			first := soft(all)
			l.exec(back)
			other := soft(second)
			return []string{first, soft(all)}, other
		}, since},
	} {
		for _, batch := range []int64{0, 5} {
			t.Run(name, func(t *testing.T) {
				l := newLab(t, softTable).backup()
				ids, other := c.do(l, func(sql string) string { return l.softly(sql, "p", "deleted_at") })
				was := l.state(l.production)["public.p"]["2"]["deleted_at"]
				o := l.options(ids...)
				o.Batch = batch
				report := l.restore(o)
				reason := reasons(report)[`p {"id":2}`]
				stays := l.state(l.production)["public.p"]["2"]["deleted_at"]
				switch {
				case c.held == "" && (len(report.Unrestored) > 0 || stays == was):
					t.Errorf("%s, %v", stays, reasons(report))
				case c.held != "" && (len(report.Unrestored) != 1 || stays != was || !strings.Contains(reason, other+c.held)):
					t.Errorf("%s, %v", stays, reasons(report))
				}
			})
		}
	}
}

// A row that was soft-deleted and then removed comes back without the mark, where only
// what removed it is restored: that is listed.
func TestMark_SoftDeletedThenRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		image, inBackup, setBack bool
		listed                   int
	}{"keys": {listed: 1}, "keys, marked in the backup": {inBackup: true}, "image": {image: true}, "image, set back before": {image: true, setBack: true}} {
		l := newLab(t, softTable).backup()
		soft := l.softly("UPDATE p SET deleted_at = '2020-01-01' WHERE id = 2", "p", "deleted_at")
		if c.inBackup {
			l.on(l.recovery, "UPDATE p SET deleted_at = '2020-01-01' WHERE id = 2")
		}
		if c.setBack {
			l.exec("UPDATE p SET deleted_at = NULL WHERE id = 2")
		}
		remove := func(sql string) string { return l.incident(sql) }
		if c.image {
			remove = func(sql string) string { return l.imaged(nil, sql) }
		}
		report := l.restore(l.options(remove("DELETE FROM p WHERE id < 5")))
		if report.Restored != 4 || len(report.Unrestored) != c.listed || c.listed > 0 && !strings.Contains(reasons(report)[`p {"id":2}`], soft+" had soft-deleted the row before it was removed") {
			t.Errorf("%s: %+v, %v", name, report.Tables, reasons(report))
		}
		if is := l.state(l.production)["public.p"]["2"]["deleted_at"]; (is == null) != (c.listed > 0 || c.setBack) {
			t.Errorf("%s: %s", name, is)
		}
	}
}

// A restore that was taken back can be run again: what took it back had marked the rows as they had been.
func TestMark_RestoredTakenBackAndRestoredAgain(t *testing.T) {
	for set, columns := range map[string][]string{"deleted_at = now()": {"deleted_at"}, "deleted_at = now(), name = NULL": {"deleted_at", "+", "name"}} {
		for _, batch := range []int64{0, 5} {
			l := newLab(t, softTable).backup()
			before := l.state(l.production)
			soft := l.softly("UPDATE p SET "+set+" WHERE id < 10", "p", columns...)
			marked := l.state(l.production)
			o := l.options(soft)
			o.Batch = batch
			l.undo(UndoOptions{}, l.restore(o).Entry)
			l.is(l.state(l.production), marked)
			if report := l.restore(o); len(report.Unrestored) > 0 {
				t.Errorf("%s: %v", set, reasons(report))
			}
			l.is(l.state(l.production), before)
		}
	}
}

// Those of a table that has been partitioned since are found under the name that it had.
func TestMark_OtherSoftDeletesBeforeTheTableWasPartitioned(t *testing.T) {
	for _, partitions := range []int{2, 20} {
		l := newLab(t, softTable).backup()
		other := l.softly("UPDATE p SET deleted_at = '2020-01-01' WHERE id = 2", "p", "deleted_at")
		l.exec("ALTER TABLE p RENAME TO p_0; CREATE TABLE p (LIKE p_0 INCLUDING ALL) PARTITION BY RANGE (id); ALTER TABLE p ATTACH PARTITION p_0 FOR VALUES FROM (0) TO (100)")
		for i := 1; i < partitions; i++ {
			l.exec(fmt.Sprintf("CREATE TABLE p_%d PARTITION OF p FOR VALUES FROM (%[1]d00) TO (%[1]d99)", i))
		}
		report := l.restore(l.options(l.softly("UPDATE p SET deleted_at = now()", "p", "deleted_at")))
		if said := reasons(report); len(said) != 1 || !strings.Contains(said[`p {"id":2}`], other+" had soft-deleted the row before") {
			t.Errorf("%d: %v", partitions, said)
		}
	}
}
