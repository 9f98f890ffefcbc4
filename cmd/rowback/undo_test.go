package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/recovery"
)

func TestUndo_FromTheCommandLine(t *testing.T) {
	env, production, id := restoreEnv(t)
	r := runWith(t, env, "restore", id, "--yes", "--output", "json")
	if r.code != exitDone {
		t.Fatalf("%d %s", r.code, r.stderr)
	}
	var restored recovery.Report
	if err := json.Unmarshal([]byte(r.stdout), &restored); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		args string
		code int
		want string
		left int
	}{
		{"--undo", exitUsage, "--undo takes the IDs of restores", 9},
		{"--undo " + id + " --yes", exitUsage, "is a deletion, not a restore", 9},
		{"--undo " + restored.Entry, exitRefused, "no terminal to ask on", 9},
		{"--undo " + restored.Entry + " --dry-run", exitDone, "Dry run", 9},
		{"--undo " + restored.Entry + " --yes", exitDone, "3 rows removed", 6},
		{id + " --yes --on-different perhaps", exitUsage, "--on-different takes report, skip or fail", 6},
	} {
		r := runWith(t, env, append([]string{"restore"}, strings.Fields(c.args)...)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.want) || orders(t, production) != c.left {
			t.Errorf("%s: %d %s%s", c.args, r.code, r.stdout, r.stderr)
		}
	}
	// One of the rows is there with other values.
	if _, err := production.Exec(t.Context(), "INSERT INTO orders VALUES (2, 'another')"); err != nil {
		t.Fatal(err)
	}
	write(t, "rowback.yaml", "restore:\n  tables:\n    orders: {columns: {code: \"'was ' || code\"}}\n")
	if r := runWith(t, env, "restore", id, "--yes", "--on-different", "fail"); r.code != exitFailed || !strings.Contains(r.stderr, "1 row of public.orders in production with other values") {
		t.Errorf("fail: %d %s", r.code, r.stderr)
	}
	if r := runWith(t, env, "restore", id, "--yes", "--on-different", "skip"); r.code != exitDone || orders(t, production) != 9 {
		t.Errorf("skip: %d %s", r.code, r.stderr)
	}
	var codes string
	if err := production.QueryRow(t.Context(), "SELECT string_agg(code, ', ' ORDER BY id) FROM orders WHERE id < 4").Scan(&codes); err != nil || codes != "was o1, another, was o3" {
		t.Errorf("%q %v", codes, err)
	}
	write(t, "rowback.yaml", "restore:\n  tables:\n    orders: {colums: {}}\n")
	if r := runWith(t, env, "restore", id, "--dry-run"); r.code != exitUsage || !strings.Contains(r.stderr, `rowback.yaml:3: `) {
		t.Errorf("configuration: %d %s", r.code, r.stderr)
	}
}

// What `log` says of real restores, in part, of two deletions, and undone.
func TestLog_OfRestores(t *testing.T) {
	env, production, id := restoreEnv(t)
	pgtest.Exec(t, env["ROWBACK_RECOVERY"], "DELETE FROM orders WHERE id = 3")
	restore := func(code int, args ...string) string {
		t.Helper()
		r := runWith(t, env, append([]string{"restore", "--yes", "--output", "json"}, args...)...)
		var out struct{ Entry string }
		if err := json.Unmarshal([]byte(r.stdout), &out); err != nil || r.code != code {
			t.Fatalf("%d %v %s%s", r.code, err, r.stdout, r.stderr)
		}
		return out.Entry
	}
	first := restore(exitProblems, id)
	checkHas(t, runWith(t, env, "log").stdout, "deletion, restored in part (2 of 3)  ")
	pgtest.Exec(t, env["ROWBACK_RECOVERY"], "INSERT INTO orders VALUES (3, 'o3')")
	second := restore(exitDone, id)
	checkHas(t, runWith(t, env, "log").stdout, "deletion, restored  ")
	checkHas(t, runWith(t, env, "log", id).stdout, "restored by  "+first+": 2 rows\n", "restored by  "+second+": 1 row\n")
	undo := restore(exitDone, "--undo", first)
	checkHas(t, runWith(t, env, "log").stdout, "deletion, restored in part (1 of 3)  ", "restore, undone  ")
	checkHas(t, runWith(t, env, "log", id).stdout, "restored by  "+first+": 2 rows; undone by "+undo+"\n", "restored by  "+second+": 1 row\n")
	if n := orders(t, production); n != 7 {
		t.Errorf("%d orders", n)
	}
}
