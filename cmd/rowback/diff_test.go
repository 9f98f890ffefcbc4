package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

func TestDiff_CommandLine(t *testing.T) {
	env, production, id := restoreEnv(t)
	pgtest.Exec(t, env["ROWBACK_PRODUCTION"], "DELETE FROM orders WHERE id IN (7, 8)")

	r := runWith(t, env, "diff", "--out", "lost.json")
	r.check(t, exitProblems, "production lacks")
	for _, want := range []string{"records lost", "2 rows lost", "3 rows on record", "22.2"} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("no %q in\n%s", want, r.stdout)
		}
	}
	// It shows, and without a terminal it wants --yes.
	runWith(t, env, "restore", "--from-diff", "lost.json").check(t, exitRefused, "give --yes")
	r = runWith(t, env, "restore", "--from-diff", "lost.json", "--dry-run")
	if r.check(t, exitDone, ""); !strings.Contains(r.stdout, "to restore") || orders(t, production) != 4 {
		t.Errorf("%s", r.stdout)
	}
	r = runWith(t, env, "restore", "--from-diff", "lost.json", "--yes")
	if r.check(t, exitDone, ""); !strings.Contains(r.stdout, "2 rows restored") || orders(t, production) != 6 {
		t.Errorf("%s", r.stdout)
	}
	runWith(t, env, "diff", "orders").check(t, exitDone, "")

	r = runWith(t, env, "diff", "--incident", id[:len(id)-1], "--where", "orders=id < 3", "--rows", "--output", "json")
	r.check(t, exitProblems, "")
	var report struct{ Lost, Recorded int }
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Lost != 2 || report.Recorded != 0 {
		t.Errorf("%v: %s", err, r.stdout)
	}
	for _, c := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"diff", "--where", "orders"}, "TABLE=CONDITION"},
		{[]string{"diff", "--where", "orders=true", "--where", "orders=false"}, "two conditions"},
		{[]string{"diff", "nowhere"}, "nowhere does not exist"},
		{[]string{"diff", "--incident", "ZZ"}, "no such journal entry"},
		{[]string{"restore", "--from-diff", "lost.json", id, "--yes"}, "--from-diff goes alone"},
		{[]string{"restore", "--from-diff", "nothing.json", "--yes"}, "no such file"},
	} {
		runWith(t, env, c.args...).check(t, exitUsage, c.stderr)
	}
	env["ROWBACK_JOURNAL"] = "elsewhere"
	runWith(t, env, "diff").check(t, exitProblems, "there is no journal")
	delete(env, "ROWBACK_RECOVERY")
	runWith(t, env, "diff").check(t, exitUsage, "--recovery")
}
