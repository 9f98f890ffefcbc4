package main

import "testing"

// What to check is what was given, not the name of a flag that was not.
func TestHint_OfAnAddressThatNobodyAnswersAt(t *testing.T) {
	inDirectory(t)
	const nobody = "postgres://127.0.0.1:1/x"
	write(t, "shop.sql", "CREATE TABLE t (id int);\n")
	write(t, "rowback.yaml", "journal: j\nrecovery: "+nobody+"\n")
	upstream := map[string]string{"ROWBACK_UPSTREAM": nobody}
	for _, c := range []struct {
		env   map[string]string
		args  []string
		check string
	}{
		{nil, []string{"check", "--production", nobody}, "production database: dial tcp 127.0.0.1:1: connect: connection refused; check --production, and"},
		{nil, []string{"check", "--upstream", nobody}, "check --upstream, and"},
		{upstream, []string{"check"}, "check ROWBACK_UPSTREAM, and"},
		{upstream, []string{"protect", "status"}, "check ROWBACK_UPSTREAM, and"},
		{nil, []string{"check", "recovery"}, "check rowback.yaml:2: recovery, and"},
		{nil, []string{"check", nobody}, "to the given database: dial tcp 127.0.0.1:1: connect: connection refused; check its URL, and"},
		{nil, []string{"graph", "--on", nobody}, "check its URL, and"},
		{nil, []string{"backup", "verify", nobody}, "check its URL, and"},
		{nil, []string{"backup", "verify", "shop.sql", "--server", nobody}, "check --server, and"},
		{nil, []string{"backup", "load", "shop.sql", "--server", nobody}, "check --server, and"},
		{nil, []string{"backup", "load", "shop.sql"}, "check rowback.yaml:2: recovery, and"},
		{nil, []string{"drill", "--template", nobody}, "check --template, and"},
	} {
		runWith(t, c.env, c.args...).check(t, exitFailed, c.check)
	}
}
