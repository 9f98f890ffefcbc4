package main

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/internal/pooler"
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

	// What the proxy does not start with.
	r = runWith(t, map[string]string{"ROWBACK_UPSTREAM": "127.0.0.1:1", "ROWBACK_ADMIN_TOKEN": "short"}, "doctor")
	if r.check(t, exitProblems, "checks failed"); !strings.Contains(r.stdout, "✗ admin endpoint      ROWBACK_ADMIN_TOKEN: the token must be") {
		t.Error(r.stdout)
	}

	write(t, "rowback.yaml", "rules:\n- {name: a, user: b}\n")
	runWith(t, env, "doctor").check(t, exitUsage, `rowback.yaml:2: unknown key of a rule "user"`)
	write(t, "rowback.yaml", "alerts: [{slack: \"${NOT_SET}\"}]\n")
	runWith(t, env, "doctor").check(t, exitUsage, "NOT_SET")
}

// Its control connection asks for what the proxy's asks for, which not every pooler takes.
func TestDoctor_ControlThroughPooler(t *testing.T) {
	inDirectory(t)
	p, err := pooler.Start(t.Context(), pooler.Options{Server: pgtest.Shared(t).Addr()})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := p.Stop(); err != nil {
			t.Error(err)
		}
	}()
	r := runWith(t, map[string]string{"ROWBACK_UPSTREAM": p.URL("postgres"), "ROWBACK_ADMIN": "off"}, "doctor")
	r.check(t, exitProblems, "checks failed")
	checkHas(t, r.stdout, "✗ control connection", "unsupported startup parameter", "leave user and password in upstream out")
}

// The doctor shows which rule a statement falls under, with the words of allow explain.
func TestDoctor_RulesOfAStatement(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "rules:\n- {name: gdpr, users: [gdpr], tables: [orders], mode: hold, threshold: 5000}\n")
	env := map[string]string{"ROWBACK_UPSTREAM": "127.0.0.1:1", "ROWBACK_ADMIN": "off"}
	for user, want := range map[string]string{"gdpr": "rule gdpr (user gdpr", "app": "rule default"} {
		r := runWith(t, env, "doctor", "--sql", "DELETE FROM orders", "--user", user)
		r.check(t, exitProblems, "checks failed")
		if !strings.Contains(r.stdout, "rules for user "+user) || !strings.Contains(r.stdout, want) {
			t.Error(r.stdout)
		}
	}
	r := runWith(t, env, "doctor", "--sql", "DELETE FROM orders", "--user", "gdpr", "--output", "json")
	var report struct {
		Rules struct {
			Statements []struct {
				Tables []struct{ Table, Rule string }
			}
		}
	}
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || len(report.Rules.Statements) != 1 || report.Rules.Statements[0].Tables[0].Rule != "gdpr" {
		t.Errorf("%v: %s", err, r.stdout)
	}
	runWith(t, env, "doctor", "--user", "gdpr").check(t, exitUsage, "--sql")
	runWith(t, env, "doctor", "--sql", ";").check(t, exitUsage, "no statement")
}
