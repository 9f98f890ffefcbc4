package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// softly runs an UPDATE that marks rows, after what stands before it, and records it as
// the guard does. Of the columns those from "+" on are the others that it set.
func (l *lab) softly(sql, table string, columns ...string) string {
	l.t.Helper()
	ctx := context.Background()
	conn, err := pgx.Connect(ctx, l.production)
	if err != nil {
		l.t.Fatal(err)
	}
	defer conn.Close(ctx)
	tx, err := conn.Begin(ctx)
	if err != nil {
		l.t.Fatal(err)
	}
	if at := strings.LastIndex(sql, ";"); at >= 0 {
		if _, err := tx.Exec(ctx, sql[:at]); err != nil {
			l.t.Fatal(err)
		}
		sql = sql[at+1:]
	}
	rows, err := tx.Query(ctx, sql+" RETURNING id::text")
	if err != nil {
		l.t.Fatal(err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		l.t.Fatal(err)
	}
	var set []string
	if at := slices.Index(columns, "+"); at >= 0 {
		columns, set = columns[:at], columns[at+1:]
	}
	e := &journal.Entry{ID: journal.NewID(time.Now()), Time: time.Now().UTC(), Kind: journal.Deletion, Outcome: journal.Committed, Database: l.name, Rows: int64(len(ids)),
		Tables: []journal.Table{{Schema: "public", Name: table, Rows: int64(len(ids)), Via: journal.SoftDelete, KeysCaptured: true, Key: []journal.Column{{Name: "id", Type: "integer"}}, Soft: columns, Set: set}}}
	if err := tx.QueryRow(ctx, "SELECT pg_current_xact_id()::text, (SELECT pg_typeof(id)::text FROM "+table+" LIMIT 1)").Scan(&e.XID, &e.Tables[0].Key[0].Type); err != nil {
		l.t.Fatal(err)
	}
	if err := tx.Commit(ctx); err != nil {
		l.t.Fatal(err)
	}
	keys := journal.NewKeys(l.t.TempDir())
	defer keys.Close()
	for _, id := range ids {
		if err := keys.Add(journal.Row{Values: []*string{&id}}); err != nil {
			l.t.Fatal(err)
		}
	}
	if err := l.journal.Append(ctx, e, keys); err != nil {
		l.t.Fatal(err)
	}
	return e.ID
}

const softTable = "CREATE TABLE p (id int PRIMARY KEY, name text, deleted_at timestamptz, is_deleted bool NOT NULL DEFAULT false); INSERT INTO p SELECT i, 'n' || i FROM generate_series(1, 20) i"

func TestMark_SoftDeletesAreSetBackWhereTheyStillAre(t *testing.T) {
	l := newLab(t, softTable).backup()
	l.exec("UPDATE p SET name = 'newer' WHERE id = 1") // since the backup
	id := l.softly("UPDATE p SET deleted_at = now(), is_deleted = true WHERE id <= 10", "p", "deleted_at", "is_deleted")
	l.exec("UPDATE p SET name = 'touched' WHERE id = 2", "UPDATE p SET deleted_at = NULL, is_deleted = false WHERE id = 3", "DELETE FROM p WHERE id = 4")
	if dry := l.restore(Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: l.options(id).Source, DryRun: true}); dry.Tables[0].Unmarked != 7 {
		t.Errorf("%+v", dry.Tables)
	}
	report := l.restore(l.options(id))
	c := report.Tables[0]
	if c.Requested != 10 || c.Unmarked != 7 || c.Different != 1 || c.AlreadyPresent != 1 || c.Restored != 1 || len(report.Unrestored) != 1 || !strings.Contains(report.Unrestored[0].Reason, "other values in name, deleted_at") {
		t.Errorf("%+v, %+v", c, report.Unrestored)
	}
	now := l.state(l.production)["public.p"]
	for i := 1; i <= 20; i++ {
		row, want := now[fmt.Sprint(i)], "false"
		if i == 2 {
			want = "true"
		}
		if row["is_deleted"] != want || (row["deleted_at"] == null) != (want == "false") {
			t.Errorf("row %d: %v", i, row)
		}
	}
	if now["1"]["name"] != "newer" || now["2"]["name"] != "touched" {
		t.Errorf("%v, %v", now["1"], now["2"])
	}
	// Done again it finds nothing to do; an undo marks again what is still as the restore left it.
	if again := l.restore(l.options(id)); again.Tables[0].Unmarked != 0 || again.Tables[0].AlreadyPresent != 8 {
		t.Errorf("%+v", again.Tables)
	}
	l.exec("UPDATE p SET name = 'later' WHERE id = 5")
	role := l.role(append(allGrants, undoRoles)...)
	undone := l.undo(UndoOptions{Production: l.asRole(l.production, role)}, report.Entry)
	if undone.Removed != 1 || l.undone(undone, "p").Marked != 6 || len(undone.Kept) != 1 || !strings.Contains(undone.Kept[0].Reason, "left without the mark") {
		t.Errorf("%+v", undone)
	}
	now = l.state(l.production)["public.p"]
	for i := 1; i <= 10; i++ {
		if row := now[fmt.Sprint(i)]; i != 4 && (row["is_deleted"] == "true" && row["deleted_at"] != null) != (i != 3 && i != 5) || i == 4 && row != nil {
			t.Errorf("row %d after the undo: %v", i, row)
		}
	}
	// What it did is a soft delete on record, and can be set back in turn.
	if back := l.restore(l.options(undone.Entry)); back.Tables[0].Unmarked != 6 || back.Restored != 1 {
		t.Errorf("%+v", back)
	}
}

// A soft delete within a savepoint, of rows that had changed since the backup: where the
// server keeps the times of commits it is known as the last to have written them.
func TestMark_WithinASavepoint(t *testing.T) {
	l := newLab(t, softTable).backup()
	l.exec("UPDATE p SET name = 'newer' WHERE id <= 2")
	id := l.softly("SAVEPOINT a; UPDATE p SET deleted_at = now() WHERE id <= 3", "p", "deleted_at")
	l.exec("UPDATE p SET name = 'touched' WHERE id = 2")
	report := l.restore(l.options(id))
	if said := reasons(report); report.Tables[0].Unmarked != 2 || len(said) != 1 || !strings.Contains(said[`p {"id":2}`], "other values in name, deleted_at") {
		t.Errorf("%+v %v", report.Tables, said)
	}
}

// With --batch, by a role without superuser's rights, and where nothing else is to be done.
func TestMark_InPieces(t *testing.T) {
	l := newLab(t, softTable).backup()
	id := l.softly("UPDATE p SET deleted_at = now()", "p", "deleted_at")
	o := l.options(id)
	o.Batch = 3
	if report := l.restore(o); report.Tables[0].Unmarked != 20 || !report.Complete() || report.Entry == "" {
		t.Errorf("%+v", report)
	}
	if n, err := l.side(l.production).number(context.Background(), "SELECT count(*) FROM p WHERE deleted_at IS NOT NULL"); err != nil || n != 0 {
		t.Errorf("%d rows are marked, %v", n, err)
	}
}

// A row that was soft-deleted, and removed with its image later: both restored at
// once it comes back without the mark. Where nothing tells what it was before it
// comes back with it, and is listed until then.
func TestMark_RowsThatWereRemovedLater(t *testing.T) {
	for _, alone := range []bool{false, true} {
		l := newLab(t, softTable).backup()
		l.exec("INSERT INTO p VALUES (21, 'newer than the backup')")
		before := l.state(l.production)
		soft := l.softly("UPDATE p SET deleted_at = now(), is_deleted = true WHERE id <= 3 OR id > 20", "p", "deleted_at", "is_deleted")
		gone := l.imaged(nil, "DELETE FROM p WHERE id = 1 OR id > 20")
		if alone {
			report := l.restore(l.alone(soft, gone))
			if c := l.count(report, "p"); c.Restored != 2 || report.Complete() || len(report.Unrestored) != 4 {
				t.Errorf("%+v, %+v", c, report.Unrestored)
			}
			continue
		}
		report := l.restore(l.options(soft, gone))
		if c := l.count(report, "p"); c.Restored != 2 || c.Unmarked != 2 || len(report.Unrestored) != 1 || !strings.Contains(report.Unrestored[0].Reason, "the row comes back as it was when it was removed later") {
			t.Errorf("%+v, %+v", c, report.Unrestored)
		}
		now := l.state(l.production)
		if row := now["public.p"]["21"]; row["is_deleted"] != "true" {
			t.Errorf("%v", row)
		}
		now["public.p"]["21"] = before["public.p"]["21"]
		l.is(now, before)
	}
}
