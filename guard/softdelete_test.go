package guard_test

import (
	"fmt"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

func TestSoftDelete_CountsAsDelete(t *testing.T) {
	r := free("soft")
	r.SoftDelete, r.Statement = []string{"deleted_at", "is_deleted"}, 20
	setup := `ALTER TABLE plain ADD deleted_at timestamptz, ADD is_deleted bool DEFAULT false`
	eachForm(t, ruled(r), []string{shop, setup}, func(t *testing.T, e *env, c *pgx.Conn) {
		refused(t, c, "UPDATE plain SET deleted_at = now()", "UPDATE would remove 100 rows (plain 100), limit 20")
		refused(t, c, "UPDATE plain SET is_deleted = id > 50", "50 rows")
		refused(t, c, "UPDATE plain p SET a = '', is_deleted = true FROM orders o WHERE o.id = p.id RETURNING p.*", "100 rows")
		refused(t, c, `UPDATE plain SET DELETED_AT = now()`, "100 rows")
		refused(t, c, `UPDATE plain SET U&"d\0065leted_at" = now()`, "100 rows")
		passes(t, c, "UPDATE plain SET deleted_at = NULL, is_deleted = false")
		passes(t, c, "UPDATE plain SET a = 'x'")
		passes(t, c, "UPDATE plain SET is_deleted = id <= 20")
		es := e.entries(journal.Filter{Outcome: journal.Committed})
		if len(es) != 1 || es[0].Rows != 20 || len(es[0].Tables) != 1 {
			t.Fatalf("entries %+v", es)
		}
		if tb := es[0].Tables[0]; tb.Via != journal.SoftDelete || fmt.Sprint(tb.Soft) != "[is_deleted]" || !tb.KeysCaptured || tb.Rows != 20 {
			t.Errorf("table %+v", tb)
		}
		if n := len(e.journalled()); n != 20 {
			t.Errorf("%d keys", n)
		}
		if n := countRows(t, e, "SELECT count(*) FROM plain WHERE is_deleted"); n != 20 {
			t.Errorf("%d rows are marked", n)
		}
		// What it sets besides is on record as well, for each set of columns apart.
		passes(t, c, "BEGIN")
		passes(t, c, "UPDATE plain SET a = '', is_deleted = true, deleted_at = NULL WHERE id <= 5")
		passes(t, c, "UPDATE plain SET (a, deleted_at) = ('', now()), is_deleted = true WHERE id = 6")
		passes(t, c, "UPDATE plain SET deleted_at = now() WHERE id = 7")
		passes(t, c, "COMMIT")
		var got []string
		for _, tb := range e.entries(journal.Filter{Outcome: journal.Committed})[0].Tables {
			got = append(got, fmt.Sprint(tb.Rows, tb.Soft, tb.Set))
		}
		if fmt.Sprint(got) != "[5 [is_deleted] [a deleted_at] 1 [deleted_at is_deleted] [a] 1 [deleted_at] []]" {
			t.Errorf("tables %v", got)
		}
	})
}

func TestSoftDelete_ColumnsThatItReturns(t *testing.T) {
	r := free("soft")
	r.SoftDelete = []string{"gone"}
	e := newEnv(t, ruled(r), shop, "ALTER TABLE plain ADD gone bool")
	for _, returned := range []string{"x.*", "x.*, plain.*", many(1664, "%d"), many(1660, "%d") + ", x.*, plain.*"} {
		sql := "UPDATE plain SET gone = true FROM (SELECT) x WHERE id = 1 RETURNING " + returned
		e.compare(t, []messages{q(sql), cat(pbe(sql), syncMsg), q("SELECT count(*) FROM plain WHERE gone")})
	}
	if n := len(e.journalled()); n == 0 {
		t.Error("no key is on record")
	}
}
