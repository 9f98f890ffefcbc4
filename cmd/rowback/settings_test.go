package main

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/rowback/rowback/guard/policy"
)

// loaded loads settings as a proxy would, in the present directory.
func loaded(t *testing.T, env map[string]string, args ...string) (*settings, *pflag.FlagSet, error) {
	t.Helper()
	s := newSettings(env)
	flags := pflag.NewFlagSet("test", pflag.ContinueOnError)
	s.addCommonFlags(flags)
	s.addProxyFlags(flags)
	if err := flags.Parse(args); err != nil {
		t.Fatal(err)
	}
	return s, flags, s.load(flags)
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestSettings_Defaults(t *testing.T) {
	inDirectory(t)
	s, _, err := loaded(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.env, s.origin = nil, nil
	want := settings{
		Listen: "127.0.0.1:6432", Upstream: "127.0.0.1:5432", Production: "127.0.0.1:5432",
		Journal: "./rowback-journal", Mode: "block", Threshold: 1000, Admin: "127.0.0.1:9432",
		Output: "text", Uncaptured: "allow", Uncountable: "block", HandoverLimit: "24h",
		rules: policy.Policy{Default: policy.Base()},
	}
	if !reflect.DeepEqual(*s, want) {
		t.Errorf("got %+v\nwant %+v", *s, want)
	}
}

func TestSettings_Precedence(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "# a comment\nthreshold: 1\nmode: off\nupstream: file:1\nrecovery:\n")
	write(t, "other.yaml", "threshold: 4\n")
	env := map[string]string{"ROWBACK_THRESHOLD": "2", "ROWBACK_UPSTREAM": "", "ROWBACK_TLS_CERT": "c", "ROWBACK_TLS_KEY": "k"}

	s, _, err := loaded(t, nil)
	if err != nil || s.Threshold != 1 || s.Mode != "off" || s.ConfigFile != "rowback.yaml" || s.Production != "file:1" {
		t.Errorf("file: %+v, %v", s, err)
	}
	s, _, err = loaded(t, env)
	if err != nil || s.Threshold != 2 || s.Mode != "off" || s.Upstream != "file:1" || s.TLSCert != "c" {
		t.Errorf("environment: %+v, %v", s, err)
	}
	s, _, err = loaded(t, env, "--threshold", "3", "--production", "flag:1")
	if err != nil || s.Threshold != 3 || s.Production != "flag:1" {
		t.Errorf("flag: %+v, %v", s, err)
	}
	env = map[string]string{"ROWBACK_CONFIG": "other.yaml"}
	if s, _, err = loaded(t, env); err != nil || s.Threshold != 4 || s.Mode != "block" {
		t.Errorf("ROWBACK_CONFIG: %+v, %v", s, err)
	}
	if s, _, err = loaded(t, env, "--config", "rowback.yaml"); err != nil || s.Threshold != 1 {
		t.Errorf("--config: %+v, %v", s, err)
	}
}

// A reload takes the file's new values, keeps the flags', and on a bad file nothing changes.
func TestSettings_Reload(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "threshold: 1\nmode: alert\nupstream: a:1\n")
	s, flags, err := loaded(t, nil, "--mode", "off")
	if err != nil {
		t.Fatal(err)
	}
	write(t, "rowback.yaml", "threshold: 2\nmode: block\nupstream: b:1\n")
	fresh := *s
	if err := fresh.load(flags); err != nil {
		t.Fatal(err)
	}
	if fresh.Threshold != 2 || fresh.Mode != "off" || fresh.Production != "b:1" || s.Threshold != 1 {
		t.Errorf("reloaded %+v from %+v", fresh, s)
	}
	write(t, "rowback.yaml", "threshold: lots\n")
	if fresh = *s; fresh.load(flags) == nil {
		t.Error("a bad file was taken")
	}
}

// A file that is gone is not a file that says nothing.
func TestSettings_ReloadOfAFileThatIsGone(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "threshold: 1\n")
	s, flags, err := loaded(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove("rowback.yaml"); err != nil {
		t.Fatal(err)
	}
	fresh := *s
	if err := fresh.load(flags); err == nil || !strings.Contains(err.Error(), "rowback.yaml: no such file") {
		t.Errorf("%v", err)
	}
}

// A certificate of a CA cannot be asked of a client without TLS.
func TestSettings_TLSRequired(t *testing.T) {
	inDirectory(t)
	const pair = "tls-cert: c\ntls-key: k\n"
	for text, want := range map[string]bool{"": false, pair: false, pair + "tls-required: on\n": true, pair + "tls-client-ca: a\n": true} {
		write(t, "rowback.yaml", text)
		s, _, err := loaded(t, nil)
		if err != nil || s.requireTLS() != want {
			t.Errorf("%q: %t, %v", text, s.requireTLS(), err)
		}
	}
	write(t, "rowback.yaml", pair+"tls-client-ca: a\ntls-required: off\n")
	if _, _, err := loaded(t, nil); err == nil || !strings.Contains(err.Error(), "makes tls-client-ca useless") {
		t.Error(err)
	}
}

func TestSettings_PerNetwork(t *testing.T) {
	got, err := perNetwork("10.1.0.0/8=50, 192.0.2.7=2,2001:db8::/32=0,")
	want := map[string]int{"10.0.0.0/8": 50, "192.0.2.7/32": 2, "2001:db8::/32": 0}
	if err != nil || len(got) != len(want) {
		t.Errorf("%v, %v", got, err)
	}
	for network, n := range got {
		if is, ok := want[network.String()]; !ok || is != n {
			t.Errorf("%v: %d", network, n)
		}
	}
}

func TestSettings_BadFile(t *testing.T) {
	inDirectory(t)
	for text, want := range map[string]string{
		"mode: block\ntreshold: 5\n":                  `rowback.yaml:2: unknown setting "treshold", did you mean "threshold"?`,
		"mode: block\ncapture: rows\n":                "rowback.yaml:2: capture stands under defaults:, or in a rule",
		"users: [a]\n":                                "rowback.yaml:1: users stands in a rule",
		"defaults: {limits: 500}\n":                   "limits takes {statement: 500, transaction: 500}; threshold: 500 sets both",
		"tls_cert: x\n":                               `did you mean "tls-cert"?`,
		"Mode: block\n":                               `did you mean "mode"?`,
		"frobnication: x\n":                           "there are: listen, upstream",
		"mode: block\n\nmode: alert\n":                "rowback.yaml:3: mode is already set in line 1",
		"mode: [block]\n":                             "rowback.yaml:1: mode takes one value",
		"- mode\n":                                    "rowback.yaml:1: expected lines of the form",
		"max-sessions: -1\n":                          "rowback.yaml:1: max-sessions: -1 is below zero (0 means any number)",
		"max-sessions-per-network: 10.0.0.0/8\n":      `rowback.yaml:1: max-sessions-per-network: "10.0.0.0/8" is not a network and a number, such as`,
		"max-sessions-per-network: ::1=2,::1/128=3\n": "max-sessions-per-network: ::1/128 stands there twice",
		"max-message: 1kB\n":                          "max-message: 1kB is not between 64KiB and 1GiB",
		"threshold: many\n":                           `rowback.yaml:1: threshold: "many" is not a whole number`,
		"mode: block\n  threshold: 5\n":               "rowback.yaml:2: mapping values are not allowed",
		"listen: localhost\n":                         "listen: \"localhost\" is not host:port; give host:port, or an absolute directory",
		"threshold: 1\nmode: warn\n":                  `rowback.yaml:2: mode: "warn" is none of block, hold, alert, off`,
		"tls-required: maybe\n":                       `rowback.yaml:1: tls-required: "maybe" is none of on, off`,
		"tls-required: on\n":                          "tls-required: on needs tls-cert and tls-key",
		"recovery: mysql://h/db\n":                    "recovery: mysql:// is not a postgres URL",
		"recovery: postgres://h:x/db\n":               "recovery: postgres://h:x/db cannot be used",
		"upstream: postgres://u:SECRET@h:x/db\n":      "upstream: postgres://u:xxxxx@h:x/db cannot be used",
	} {
		write(t, "rowback.yaml", text)
		_, _, err := loaded(t, nil)
		if err == nil || exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
		if err != nil && strings.Contains(err.Error(), "SECRET") {
			t.Errorf("a password is shown: %v", err)
		}
	}
}

// What libpq would not know in a URL is an error, wherever a server is named.
func TestSettings_UnknownParameter(t *testing.T) {
	inDirectory(t)
	for server, want := range map[string]string{
		"postgres://u@h/db?sslmod=require":   `unknown parameter "sslmod", did you mean "sslmode"?`,
		"host=h sslrootcrt=ca.pem":           `did you mean "sslrootcert"?`,
		"postgres://h/?search_path=shop":     "a setting of the server is given by options=-c%20search_path%3D…",
		"postgres://h/?options=-c%20a.b%3Dc": "",
		"postgres://a,b/?keepalives_idle=30&load_balance_hosts=random&application_name=x": "",
	} {
		for _, name := range []string{"UPSTREAM", "PRODUCTION", "RECOVERY", "JOURNAL"} {
			if name == "JOURNAL" && !isPostgresURL(server) {
				continue
			}
			_, _, err := loaded(t, map[string]string{"ROWBACK_" + name: server})
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "ROWBACK_"+name)) {
				t.Errorf("%s %s: %v", name, server, err)
			}
		}
	}
}

// Roles of servers cannot be found out without a user, whom clients are not asked for.
func TestSettings_RolesNeedAUser(t *testing.T) {
	inDirectory(t)
	for upstream, good := range map[string]bool{
		"postgres://a,b/?target_session_attrs=primary": false, "host=a,b target_session_attrs=standby": false,
		"postgres://u@a,b/?target_session_attrs=primary": true, "host=a,b user=u target_session_attrs=standby": true,
		"postgres://a,b/?target_session_attrs=any": true,
	} {
		_, _, err := loaded(t, map[string]string{"ROWBACK_UPSTREAM": upstream})
		if (err == nil) != good || err != nil && !strings.Contains(err.Error(), "needs a user") {
			t.Errorf("%s: %v", upstream, err)
		}
	}
}

func TestSettings_Validated(t *testing.T) {
	inDirectory(t)
	good := []map[string]string{
		{"ROWBACK_LISTEN": "/run/rowback"}, {"ROWBACK_LISTEN": ":6432"}, {"ROWBACK_LISTEN": "[::1]:0"},
		{"ROWBACK_UPSTREAM": "a:1,b:2"}, {"ROWBACK_UPSTREAM": "/run/postgresql"},
		{"ROWBACK_UPSTREAM": "postgres://u:p@a:1,b:2/db?target_session_attrs=read-write"},
		{"ROWBACK_RECOVERY": "host=h dbname=d"}, {"ROWBACK_ADMIN": "off"}, {"ROWBACK_THRESHOLD": "0"},
		{"ROWBACK_WEBHOOK": "https://hooks.example/x"}, {"ROWBACK_JOURNAL": "postgres://h/db"},
		{"ROWBACK_TLS_CERT": "c", "ROWBACK_TLS_KEY": "k", "ROWBACK_TLS_CLIENT_CA": "a"},
	}
	for _, env := range good {
		if _, _, err := loaded(t, env); err != nil {
			t.Errorf("%v: %v", env, err)
		}
	}
	bad := map[string]string{
		"ROWBACK_LISTEN": "6432", "ROWBACK_UPSTREAM": "db.internal", "ROWBACK_MODE": "warn", "ROWBACK_THRESHOLD": "-1",
		"ROWBACK_ADMIN": "h:70000", "ROWBACK_RECOVERY": "http://h", "ROWBACK_OUTPUT": "xml", "ROWBACK_WEBHOOK": "ftp://h",
		"ROWBACK_JOURNAL": "mysql://h", "ROWBACK_TLS_CERT": "c", "ROWBACK_TLS_KEY": "k", "ROWBACK_TLS_CLIENT_CA": "a",
		"ROWBACK_UNCAPTURED": "maybe", "ROWBACK_UNCOUNTABLE": "maybe", "ROWBACK_PRODUCTION": "postgres://h:x/",
	}
	for name, value := range bad {
		if _, _, err := loaded(t, map[string]string{name: value}); exitCode(err) != exitUsage {
			t.Errorf("%s=%s: %v", name, value, err)
		}
	}
	if _, _, err := loaded(t, map[string]string{"ROWBACK_JOURNAL": "host=h dbname=d"}); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "postgres://user@host/database") {
		t.Errorf("a connection string, which would be a directory's name: %v", err)
	}
	if s, _, err := loaded(t, map[string]string{"ROWBACK_ADMIN": "off"}); err != nil || s.Admin != "" {
		t.Errorf("admin off: %q, %v", s.Admin, err)
	}
}

// A server's address that is written wrong is told of without the password in it.
func TestSettings_PasswordInAWrongAddress(t *testing.T) {
	inDirectory(t)
	for value, want := range map[string]string{
		"postgres://u:x@SECRET@h:5432/db":  "postgres://u:xxxxx@h:5432/db cannot be used: an @ in user or password is written %40",
		"postgres://u:x@SECRET@a:1,b:2/db": "an @ in user or password is written %40",
		"u:SECRET@h:5432":                  "no postgres URL",
		"u:SECRET@h":                       "no postgres URL",
		"postgres:/u:SECRET@h/db":          "no postgres URL",
		"postgres//u:SECRET@h/db":          "no postgres URL",
	} {
		for _, name := range []string{"ROWBACK_UPSTREAM", "ROWBACK_PRODUCTION", "ROWBACK_RECOVERY", "ROWBACK_JOURNAL"} {
			_, _, err := loaded(t, map[string]string{name: value})
			if err == nil || exitCode(err) != exitUsage || strings.Contains(err.Error(), "SECRET") || name != "ROWBACK_JOURNAL" && !strings.Contains(err.Error(), want) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
	}
	for _, value := range []string{"journal@2", "/var/lib/a:b@c", "./2026:01@x/y"} {
		if _, _, err := loaded(t, map[string]string{"ROWBACK_JOURNAL": value}); err != nil {
			t.Errorf("a directory called %s: %v", value, err)
		}
	}
}

func TestSettings_UnknownEnvironment(t *testing.T) {
	inDirectory(t)
	for name, want := range map[string]string{
		"ROWBACK_TRESHOLD": "unknown environment variable ROWBACK_TRESHOLD, did you mean ROWBACK_THRESHOLD?",
		"ROWBACK_FOO":      "unknown environment variable ROWBACK_FOO; there are: ROWBACK_CONFIG, ROWBACK_LISTEN",
		"ROWBACK_COLOUR":   "unknown environment variable ROWBACK_COLOUR; there are: ROWBACK_CONFIG, ROWBACK_LISTEN",
	} {
		if _, _, err := loaded(t, map[string]string{name: "1"}); exitCode(err) != exitUsage || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := loaded(t, map[string]string{"ROWBACK_ALERT_ID": "x"}); err != nil {
		t.Errorf("rowback called by an alert's command: %v", err)
	}
	// A Kubernetes service called rowback, or rowback-journal.
	if _, _, err := loaded(t, map[string]string{
		"ROWBACK_SERVICE_HOST": "10.0.0.1", "ROWBACK_SERVICE_PORT": "6432", "ROWBACK_SERVICE_PORT_PG": "6432", "ROWBACK_PORT": "tcp://10.0.0.1:6432",
		"ROWBACK_PORT_6432_TCP": "tcp://10.0.0.1:6432", "ROWBACK_PORT_6432_TCP_ADDR": "10.0.0.1", "ROWBACK_JOURNAL_SERVICE_HOST": "10.0.0.2",
	}); err != nil {
		t.Error(err)
	}
}
