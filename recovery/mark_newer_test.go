package recovery

import (
	"strings"
	"testing"
)

// Rows that the recovery database has not were soft-deleted. Where it is plain what the
// mark was it is set back, unless another one on record was there before; else they are
// listed as what they are: they were never away.
func TestMark_RowsThatAreNewerThanTheBackup(t *testing.T) {
	l := newLab(t, softTable, "ALTER TABLE p ADD status text, ADD email text").backup()
	l.exec("INSERT INTO p (id, email) SELECT i, 'm' FROM generate_series(21, 28) i")
	other := l.softly("UPDATE p SET deleted_at = '2020-01-01' WHERE id = 21", "p", "deleted_at")
	gone := l.incident("DELETE FROM p WHERE id = 25")
	soft := l.softly("UPDATE p SET deleted_at = now(), is_deleted = true WHERE id < 26", "p", "deleted_at", "is_deleted")
	status := l.softly("UPDATE p SET status = 'gone' WHERE id IN (26, 27)", "p", "status")
	forgot := l.softly("UPDATE p SET deleted_at = now(), email = NULL WHERE id = 28", "p", "deleted_at", "+", "email")
	l.exec("INSERT INTO p (id) VALUES (25)", "UPDATE p SET name = 'touched' WHERE id = 22")
	const unknown, again = "soft delete not set back: there is no such row", "in production again"
	for _, c := range []struct {
		ids  []string
		said map[string]string
	}{
		{[]string{soft, gone}, map[string]string{"21": "soft delete not set back: " + other + " had soft-deleted the row before", "22": unknown, "25": again}},
		{[]string{status}, map[string]string{"26": unknown, "27": unknown}},
		{[]string{forgot}, map[string]string{"28": "soft delete set back, but not what its UPDATE set in email: "}},
	} {
		report := l.restore(l.options(c.ids...))
		said := reasons(report)
		if len(said) != len(c.said) {
			t.Errorf("%v", said)
		}
		for id, why := range c.said {
			if !strings.HasPrefix(said[`p {"id":`+id+`}`], why) {
				t.Errorf("%s: %s", id, said[`p {"id":`+id+`}`])
			}
		}
	}
	now := l.state(l.production)["public.p"]
	for id, marked := range map[string]bool{"1": false, "21": true, "22": true, "23": false, "24": false, "28": false} {
		if row := now[id]; (row["deleted_at"] == null) == marked {
			t.Errorf("%s: %v", id, row)
		}
	}
	if now["23"]["is_deleted"] != "false" || now["26"]["status"] != "gone" || now["28"]["email"] != null {
		t.Errorf("%v", now)
	}
}
