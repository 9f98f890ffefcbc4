package main

import "testing"

// No flag is dropped unseen: what cannot be done together is refused by name.
func TestFlags_ThatWouldBeIgnoredAreRefused(t *testing.T) {
	inDirectory(t)
	env := map[string]string{"ROWBACK_PRODUCTION": "127.0.0.1:1", "ROWBACK_RECOVERY": "127.0.0.1:2"}
	for _, c := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"log", "01JY2M", "--since", "1h"}, `"01JY2M" names one entry, and --since selects among all`},
		{[]string{"log", "01JY2M", "--table", "orders"}, "--table selects among all"},
		{[]string{"log", "01JY2M", "--min-rows", "0"}, "--min-rows selects among all"},
		{[]string{"allow", "holds", "01JY2M", "--all"}, "--all lists them"},
		{[]string{"backup", "verify", "recovery", "--jobs", "2"}, "--jobs is for restoring a dump"},
		{[]string{"backup", "verify", "postgres://u:SECRET@127.0.0.1:1/x", "--server", "127.0.0.1:1"}, "--server is for restoring a dump, and postgres://u:xxxxx@"},
		{[]string{"backup", "verify", "recovery", "--entries", "3"}, "there is no journal"},
		{[]string{"journal", "export", "--format", "csv", "--output", "json"}, "not both"},
		{[]string{"journal", "compact", "--shrink", "--dry-run"}, "nothing says how much to keep"},
		{[]string{"demo", "--upstream", "127.0.0.1:1"}, "--upstream has no meaning here"},
	} {
		runWith(t, env, c.args...).check(t, exitUsage, c.stderr)
	}
}

// The empty value of an unset variable selects nothing, least of all everything.
func TestFlags_OfTextTakeOneValueThatIsNotEmpty(t *testing.T) {
	inDirectory(t)
	for _, c := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"restore", "--table", "orders", "--keys", ""}, "--keys is empty"},
		{[]string{"restore", "--since", "2h", "--user="}, "--user is empty"},
		{[]string{"restore", "--table", "orders", "--table", "payments"}, "--table is given twice"},
		{[]string{"log", "--since", ""}, "--since is empty"},
		{[]string{"log", "--user", "a", "--user", "a"}, "--user is given twice"},
		{[]string{"check", "--table", ""}, "--table is empty"},
		{[]string{"diff", "--incident", ""}, "--incident is empty"},
		{[]string{"journal", "export", "--file", ""}, "--file is empty"},
		{[]string{"drill", "x.dump", "--seed", "-1"}, `--seed: "-1" is not a whole number, zero or more`},
		{[]string{"graph", "--depth", "far"}, `--depth: "far" is not a whole number`},
	} {
		runWith(t, nil, c.args...).check(t, exitUsage, c.stderr)
	}
	// A setting is another matter: there it takes back what is set elsewhere, and the last one wins.
	write(t, "rowback.yaml", "recovery: 127.0.0.1:2\n")
	runWith(t, nil, "check", "recovery", "--recovery", "").check(t, exitUsage, "no recovery database is given")
	runWith(t, nil, "check", "--production", "127.0.0.1:1", "--production", "127.0.0.1:3").check(t, exitFailed, "127.0.0.1:3")
}
