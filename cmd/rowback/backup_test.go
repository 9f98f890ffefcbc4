package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// dumpOf is a custom dump of the database at url.
func dumpOf(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "shop.dump")
	if out, err := pgtest.Shared(t).Client(t, "pg_dump", "-Fc", "-f", path, url).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return path
}

func TestBackupLoad_CommandLine(t *testing.T) {
	env, _, id := restoreEnv(t)
	dump := dumpOf(t, env["ROWBACK_RECOVERY"])

	r := runWith(t, env, "backup", "load", dump, "--output", "json", "--name", "before")
	r.check(t, exitDone, "")
	var receipt struct{ Database, Format string }
	if err := json.Unmarshal([]byte(r.stdout), &receipt); err != nil || receipt.Database != "before" || receipt.Format != "custom" {
		t.Errorf("%v: %s", err, r.stdout)
	}
	if text, err := os.ReadFile(filepath.Join(env["ROWBACK_JOURNAL"], "loads.jsonl")); err != nil || !strings.Contains(string(text), "before") {
		t.Errorf("%v: %s", err, text)
	}
	// It serves as a recovery database.
	env["ROWBACK_RECOVERY"] = strings.Replace(env["ROWBACK_RECOVERY"], "shop_recovery", "before", 1)
	runWith(t, env, "restore", id, "--yes").check(t, exitDone, "")

	runWith(t, env, "backup", "load", dump, "--name", "before").check(t, exitUsage, "is there already")
	runWith(t, env, "backup", "load", "nothing").check(t, exitUsage, "no such file")
	runWith(t, env, "backup", "load").check(t, exitUsage, "which dump?")
	delete(env, "ROWBACK_RECOVERY")
	runWith(t, env, "backup", "load", dump).check(t, exitUsage, "--server")
}

func TestBackupVerify_CommandLine(t *testing.T) {
	env, _, id := restoreEnv(t)
	dump := dumpOf(t, env["ROWBACK_RECOVERY"])
	for _, args := range [][]string{{dump}, {"recovery"}, {env["ROWBACK_RECOVERY"]}} {
		r := runWith(t, env, append([]string{"backup", "verify"}, args...)...)
		if r.check(t, exitDone, ""); !strings.Contains(r.stdout, "Usable") || !strings.Contains(r.stdout, id) {
			t.Errorf("%v: %s", args, r.stdout)
		}
	}
	r := runWith(t, env, "backup", "verify", "recovery", "--max-age", "2d", "--output", "json")
	r.check(t, exitProblems, "not usable")
	var report struct {
		Problems []string
		Entries  []struct{ Keys, Present int }
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || len(report.Problems) != 1 || len(report.Entries) != 1 || report.Entries[0].Present != 3 {
		t.Errorf("%v: %s", err, r.stdout)
	}
	runWith(t, env, "backup", "verify", "recovery", "--max-age", "soon").check(t, exitUsage, "--max-age")
	runWith(t, env, "backup", "verify", "nothing").check(t, exitUsage, "no such file")
}
