package journal

import (
	"strings"
	"testing"
)

// A page of a listing reads the index by time from where the last one ended, whatever it
// is filtered by: it sorts nothing, and reads no entry of the pages before.
func TestEntries_PagesAreReadInOrder(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	for _, f := range []Filter{{}, {Table: "orders"}, {Table: "public.orders", Kind: Deletion}, {User: "app", MinRows: 3}} {
		where, args := f.where()
		plan := planOf(t, j, "SELECT "+entryColumns+" FROM entry WHERE "+where+" AND (time, id) < (?, ?) ORDER BY time DESC, id DESC LIMIT ?", append(args, 1, "x", page)...)
		if len(plan) == 0 || plan[0] != "SEARCH entry USING INDEX entry_list ((time,id)<(?,?))" || strings.Contains(strings.Join(plan, " "), "TEMP B-TREE") {
			t.Errorf("%+v: %q", f, plan)
		}
	}
}

func TestStored_PagesAreReadInOrder(t *testing.T) {
	j := openAt(t, t.TempDir(), Options{})
	if plan := planOf(t, j, "SELECT id, time"+storedPage, 1, "x", page); len(plan) != 1 || !strings.HasPrefix(plan[0], "SEARCH e USING") || !strings.HasSuffix(plan[0], "((time,id)>(?,?))") {
		t.Errorf("%q", plan)
	}
}

func planOf(t *testing.T, j *embedded, text string, args ...any) (plan []string) {
	t.Helper()
	rows, err := j.store.Load().read.QueryContext(t.Context(), "EXPLAIN QUERY PLAN "+text, args...)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, step)
	}
	return plan
}
