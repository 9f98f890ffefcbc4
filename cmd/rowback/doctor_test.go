package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestDoctor_ExitCodes(t *testing.T) {
	inDirectory(t)
	env := map[string]string{"ROWBACK_UPSTREAM": "127.0.0.1:1", "ROWBACK_ADMIN": "off"}
	r := runWith(t, env, "doctor", "--output", "json")
	r.check(t, exitProblems, "checks failed")
	var report struct {
		Checks []struct{ Name, Status, Seen, Mend string }
		Fail   int
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || report.Fail == 0 || len(report.Checks) < 5 {
		t.Errorf("%v: %s", err, r.stdout)
	}
	r = runWith(t, env, "doctor")
	r.check(t, exitProblems, "checks failed")
	if !strings.Contains(r.stdout, "✗ upstream ") || !strings.Contains(r.stdout, "→ start the server") {
		t.Error(r.stdout)
	}

	write(t, "rowback.yaml", "rules:\n- {name: a, user: b}\n")
	runWith(t, env, "doctor").check(t, exitUsage, `rowback.yaml:2: unknown key of a rule "user"`)
	write(t, "rowback.yaml", "alerts: [{slack: \"${NOT_SET}\"}]\n")
	runWith(t, env, "doctor").check(t, exitUsage, "NOT_SET")
}
