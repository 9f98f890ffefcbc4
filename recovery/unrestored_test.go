package recovery

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestWriteUnrestored_GroupsAndCounts(t *testing.T) {
	var rows []Unrestored
	for i := range 1200 {
		rows = append(rows, Unrestored{Schema: "public", Table: "order", Key: json.RawMessage(fmt.Sprintf(`{"id":%d}`, i)),
			Reason: fmt.Sprintf("its parent (id) = (%d) is gone", i), group: "its parent is gone"})
	}
	rows = append(rows, Unrestored{Schema: "public", Table: "notes", Reason: "links of 2 rows not restored"},
		Unrestored{Schema: "public", Table: "order", Key: json.RawMessage(`{"id":5000}`), Reason: "not in the recovery database"})
	var out strings.Builder
	writeUnrestored(&out, rows)
	for _, want := range []string{
		"Not restored (1,201 by key, and more):", `- public."order", 1,200 rows: its parent is gone` + "\n", `{"id":4}: its parent (id) = (4) is gone`, "… and 1,195 more",
		"- public.notes: links of 2 rows", `- public."order", 1 row: not in the recovery database` + "\n" + `      {"id":5000}` + "\n", "--output json names every one",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("lacks %q:\n%s", want, &out)
		}
	}
	if strings.Contains(out.String(), `{"id":5}`) || strings.Count(out.String(), "\n") > 15 {
		t.Errorf("too much:\n%s", &out)
	}
}

func TestRefuse_SwappedDatabases(t *testing.T) {
	l := newLab(t, twoTables).backup()
	id := l.incident("DELETE FROM p")
	o := l.options(id)
	o.Production, o.Recovery = l.recovery, l.production
	l.refused(o, Usage, "are --production and --recovery swapped?")
	o.Source.Database = "" // as of a key file, or with equal names
	l.refused(o, Usage, "all of the 27 rows asked for are in production", "swapped?")
}

func TestPlan_NotesRowsThatReferToDifferentOnes(t *testing.T) {
	l := newLab(t, twoTables).backup()
	o := l.options(l.incident("DELETE FROM p"))
	l.exec("INSERT INTO p VALUES (1, 'p1', 77)")
	o.DryRun = true
	for range 2 {
		said := strings.Join(l.restore(o).Warnings, "; ")
		if strings.Count(said, "1 row of public.c will refer by c_p_id_fkey to rows of public.p that have other values now") != 1 {
			t.Errorf("dry run %v: %s", o.DryRun, said)
		}
		o.DryRun = false
	}
}

func TestRestore_StoppedSaysThatNothingWasWritten(t *testing.T) {
	l := newLab(t, twoTables).backup()
	o := l.options(l.incident("DELETE FROM p"))
	before := l.state(l.production)
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Restore(stopped, o); !errors.Is(err, ErrStopped) || !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	// While the question is open.
	ctx, stop := context.WithCancel(context.Background())
	o.Confirm = func(context.Context, *Plan) (bool, error) {
		stop()
		return false, ctx.Err()
	}
	if _, err := Restore(ctx, o); !errors.Is(err, ErrStopped) {
		t.Error(err)
	}
	l.is(l.state(l.production), before)
}

// Rows that are not known by key may be any number: they are not added to those that are.
func TestUnrestored_RowsWithoutKeysAreNotCountedAsOne(t *testing.T) {
	keyed, unkeyed := Unrestored{Schema: "public", Table: "c", Key: []byte(`{"id":1}`), Reason: "r"}, Unrestored{Schema: "public", Table: "p", Reason: "3,362 rows have no keys on record"}
	for head, rows := range map[string][]Unrestored{"Not restored (2):\n": {keyed, keyed}, "Not restored (2 by key, and more):\n": {unkeyed, keyed, keyed}, "Not restored (1):\n": {unkeyed}} {
		var text bytes.Buffer
		if writeUnrestored(&text, rows); !strings.Contains(text.String(), head) {
			t.Errorf("no %q in %s", head, &text)
		}
	}
}
