package recovery

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/rowback/rowback/sqlparse"
)

// A key is written in an entry of a restore, or an undo, as in a deletion's; where an
// entry has it as the server prints it, it is taken for the same.
func TestEvidence_KeysAreWrittenAsDeletionsWriteThem(t *testing.T) {
	l := newLab(t, `CREATE DOMAIN stamp AS timestamptz;
		CREATE TABLE p (a timestamptz, b timestamp, c interval, d float8, e real, f money, h tstzrange, i stamp, j date, k int, PRIMARY KEY (a, b, c, d, e, f, h, i, j, k));
		INSERT INTO p SELECT '2026-01-01 21:00:00.5+00', '0044-03-15 12:00 BC', '14 mons -3 days 26:00:00.5', 0.1, 0.1, '-1234.50', '["2026-01-01 21:00+00",)', '2026-07-01 12:00+00', '2026-01-01', k FROM generate_series(1, 3) k`).backup()
	s := l.side(l.production)
	table := userTables(s)[0]
	var exprs []string
	for _, c := range table.Key {
		x, err := sqlparse.KeyExpr("x", sqlparse.KeyColumn{Name: c, Type: table.Column(c).BaseType}, false)
		if err != nil {
			t.Fatal(err)
		}
		exprs = append(exprs, x)
	}
	read := func(exprs string) []*string {
		rows, err := s.rows(context.Background(), "SET timezone = 'Asia/Kolkata'; "+fmt.Sprintf("SELECT %s FROM p x WHERE k = 1", exprs))
		if err != nil {
			t.Fatal(err)
		}
		return rows[0]
	}
	want, printed := read(strings.Join(exprs, ", ")), read(texts("x", table.Key))
	for i, c := range journalColumns(table, table.Key) {
		if c.Name != "i" && c.Same(*want[i]) != c.Same(*printed[i]) {
			t.Errorf("%s: %q is not taken for %q", c.Type, *printed[i], *want[i])
		}
	}
	report := l.restore(l.options(l.incident("DELETE FROM p")))
	for _, id := range []string{report.Entry, l.undo(UndoOptions{}, report.Entry).Entry} {
		n := 0
		for row, err := range l.journal.Rows(context.Background(), id) {
			if err != nil {
				t.Fatal(err)
			}
			for i := range table.Key[:len(table.Key)-1] {
				if *row.Values[i] != *want[i] {
					t.Errorf("%s: %s is %q, want %q", id, table.Key[i], *row.Values[i], *want[i])
				}
			}
			n++
		}
		if n != 3 {
			t.Errorf("%s has %d keys", id, n)
		}
	}
}
