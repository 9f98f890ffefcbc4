package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestAllowExplain(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "rules:\n- {name: gdpr, users: [gdpr], tables: [orders], mode: hold, threshold: 5000}\n- {name: inside, networks: [10.0.0.0/8, local], mode: alert}\n")
	const sql = "DELETE FROM orders WHERE is_test"
	for want, args := range map[string][]string{
		"gdpr":    {"--user", "gdpr"},
		"default": {},
		"inside":  {"--client", "10.1.1.1"},
	} {
		r := runWith(t, nil, append([]string{"allow", "explain", "--output", "json", sql}, args...)...)
		r.check(t, exitDone, "")
		var e struct {
			By         string
			Statements []struct {
				Tables []struct{ Table, Rule string }
			}
		}
		if err := json.Unmarshal([]byte(r.stdout), &e); err != nil || e.By != "text" || len(e.Statements) != 1 || e.Statements[0].Tables[0].Rule != want || e.Statements[0].Tables[0].Table != "orders" {
			t.Errorf("%s: %v\n%s", want, err, r.stdout)
		}
	}
	r := runWith(t, nil, "allow", "explain", "--client", "local", sql)
	r.check(t, exitDone, "")
	if !strings.Contains(r.stdout, "rule inside (networks 10.0.0.0/8 and local)\n") || !strings.Contains(r.stdout, "by the text alone") {
		t.Error(r.stdout)
	}
	// A server that is not there is no reason to say nothing.
	r = runWith(t, map[string]string{"ROWBACK_PRODUCTION": "postgres://u:SECRET@127.0.0.1:1/db"}, "allow", "explain", sql)
	r.check(t, exitDone, "which cannot be read")
	if strings.Contains(r.stderr, "SECRET") || !strings.Contains(r.stdout, "by the text alone") {
		t.Error(r.stderr + r.stdout)
	}
	runWith(t, nil, "allow", "explain", "--client", "here", sql).check(t, exitUsage, `--client: "here" is no IP address`)
	runWith(t, nil, "allow", "explain").check(t, exitUsage, "Give its SQL, in quotes")
	runWith(t, nil, "allow", "explain", " ; ").check(t, exitUsage, "no statement")
}
