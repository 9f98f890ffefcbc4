package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// result is what one run of the command left.
type result struct {
	code           int
	stdout, stderr string
}

// runWith runs the command with these environment variables alone.
func runWith(t *testing.T, env map[string]string, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, strings.NewReader(""), &stdout, &stderr, env)
	return result{code, stdout.String(), stderr.String()}
}

func (r result) check(t *testing.T, code int, stderr string) {
	t.Helper()
	if r.code != code || !strings.Contains(r.stderr, stderr) {
		t.Errorf("exit %d, stderr %q; want exit %d and %q in it", r.code, r.stderr, code, stderr)
	}
}

// inDirectory runs the test in an empty directory, away from any configuration.
func inDirectory(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	t.Chdir(dir)
	return dir
}

func TestRun_WrongUsage(t *testing.T) {
	inDirectory(t)
	for _, c := range []struct {
		args   []string
		stderr string
	}{
		{[]string{"purge"}, `unknown command "purge"`},
		{[]string{"--purge"}, "unknown flag: --purge"},
		{[]string{"log", "--sinc", "2h"}, "did you mean --since?"},
		{[]string{"version", "extra"}, `rowback version takes no arguments, and was given ["extra"]`},
		{[]string{"log", "--purge"}, "See 'rowback log --help'"},
		{[]string{"log", "a", "b"}, `rowback log takes one argument, and was given 2: ["a" "b"]`},
		{[]string{"backup", "verfy", "x.dump"}, `unknown command "verfy" for "rowback backup"; did you mean verify?`},
		{[]string{"help", "nope"}, `unknown command "nope" for "rowback"`},
		{[]string{"help", "jurnal"}, "did you mean journal?"},
		{[]string{"help", "backup", "verfy"}, "did you mean verify?"},
		{[]string{"journal", "purge"}, "there are: compact, export, import, verify"},
		{[]string{"completion", "elvish-x"}, "there are: bash, fish, powershell, zsh"},
		{[]string{"protect", "x"}, "See 'rowback protect --help'"},
		{[]string{"journal", "import"}, "which file?"},
		{[]string{"backup", "verify", "x.dump", "--entries", "-1"}, "--entries: -1 is below zero"},
		{[]string{"protect", "collect", "--forget", "soon"}, `--forget: "soon" is no age such as 90d`},
		{[]string{"check", "shop"}, "Say production, recovery, or its URL"},
		{[]string{"log", "--min-rows", "many"}, `--min-rows: "many" is not a whole number`},
		{[]string{"restore", "--lock-timeout", "5"}, `--lock-timeout: "5" is not a duration such as`},
		{[]string{"restore", "--yes=perhaps"}, `--yes: "perhaps" is neither true nor false`},
		{[]string{"log", "--config", "missing.yaml"}, "missing.yaml: no such file"},
	} {
		r := runWith(t, nil, c.args...)
		r.check(t, exitUsage, c.stderr)
		if r.stdout != "" {
			t.Errorf("%v printed %q to stdout", c.args, r.stdout)
		}
	}
}

func TestRun_HelpAndVersion(t *testing.T) {
	dir := inDirectory(t)
	if err := os.WriteFile(filepath.Join(dir, "rowback.yaml"), []byte("nonsense: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{}, {"--help"}, {"help", "log"}, {"version"}, {"version", "--output", "json"}, {"--version"}, {"completion", "bash"}, {"completion"}, {"backup"}, {"journal"}, {"help", "configuration"}} {
		r := runWith(t, nil, args...)
		if r.code != exitDone || r.stdout == "" || r.stderr != "" {
			t.Errorf("%v: exit %d, stderr %q, %d bytes of stdout", args, r.code, r.stderr, len(r.stdout))
		}
	}
}

// A report that could not be written is no success.
func TestRun_FullStandardOutput(t *testing.T) {
	inDirectory(t)
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip("not run: this system has no /dev/full")
	}
	defer full.Close()
	for _, args := range [][]string{{"--help"}, {"version"}, {"completion", "bash"}, {"help", "configuration"}} {
		var stderr strings.Builder
		if code := run(t.Context(), args, strings.NewReader(""), full, &stderr, nil); code != exitFailed || !strings.Contains(stderr.String(), "no space left on device") {
			t.Errorf("%v: exit %d, %q", args, code, stderr.String())
		}
	}
}

// Every command has examples in its help, and says what it does.
func TestHelp_HasExamples(t *testing.T) {
	started := false
	root := newRootCommand(nil, &started)
	finishRoot(root)
	var look func(*cobra.Command)
	look = func(parent *cobra.Command) {
		for _, cmd := range parent.Commands() {
			if cmd.Name() == "help" || cmd.IsAdditionalHelpTopicCommand() || parent.Name() == "completion" {
				continue
			}
			if cmd.Example == "" || cmd.Short == "" {
				t.Errorf("%s has no example or description", cmd.CommandPath())
			}
			look(cmd)
		}
	}
	look(root)
}

// What is printed as the configuration file is one that can be used.
func TestHelp_ConfigurationWorks(t *testing.T) {
	write(t, filepath.Join(inDirectory(t), "rowback.yaml"), runWith(t, nil, "help", "configuration").stdout)
	runWith(t, nil, "allow", "list").check(t, exitFailed, "there is no journal here")
}

// A flag of few values completes to them.
func TestCompletion_OffersTheValuesOfFlags(t *testing.T) {
	inDirectory(t)
	for flag, want := range map[string]string{"--outcome": "in_doubt\n", "--output": "json\n", "--kind": "restore\n"} {
		if r := runWith(t, nil, "__complete", "log", flag, ""); !strings.Contains(r.stdout, want) {
			t.Errorf("%s: %q", flag, r.stdout)
		}
	}
}

func TestExitCode(t *testing.T) {
	plain := errors.New("no")
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, exitDone},
		{plain, exitFailed},
		{usageError(plain), exitUsage},
		{problemsError(plain), exitProblems},
		{refusedError(plain), exitRefused},
		{fmt.Errorf("restoring: %w", refusedError(plain)), exitRefused},
		{errors.Join(context.Canceled, problemsError(plain)), exitProblems},
		{usageError(nil), exitDone},
	} {
		if got := exitCode(c.err); got != c.want {
			t.Errorf("%v leads to %d, want %d", c.err, got, c.want)
		}
	}
	if !errors.Is(usageError(plain), plain) {
		t.Error("the cause is hidden")
	}
}

func TestRedact(t *testing.T) {
	for in, want := range map[string]string{
		"127.0.0.1:5432":                         "127.0.0.1:5432",
		"postgres://u@h/db":                      "postgres://u@h/db",
		"postgres://h:5432/db":                   "postgres://h:5432/db",
		"postgres://u:SECRET@h:5432/db":          "postgres://u:xxxxx@h:5432/db",
		"postgresql://u:SECRET@a:1,b:2/db":       "postgresql://u:xxxxx@a:1,b:2/db",
		"postgres://u:SE@CR/ET@h/db":             "postgres://u:xxxxx@h/db",
		"postgres://h/db?user=u&password=SECRET": "postgres://h/db?user=u&password=xxxxx",
		"postgres://h/db?sslpassword=SECRET&a=b": "postgres://h/db?sslpassword=xxxxx&a=b",
		"host=h password=SECRET user=u":          "host=h password=xxxxx user=u",
		`host=h PASSWORD = 'SEC \' RET' user=u`:  `host=h PASSWORD = xxxxx user=u`,
	} {
		if got := redact(in); got != want {
			t.Errorf("%s becomes %s, want %s", in, got, want)
		}
	}
}
