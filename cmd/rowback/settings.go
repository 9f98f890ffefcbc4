package main

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/spf13/pflag"
	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/recovery/check"
)

// settings are what several commands are told alike. They hold the defaults
// until load, which runs before any command; then they are valid.
type settings struct {
	ConfigFile     string // the file read, "" if none
	Listen         string // host:port, or a directory for a unix socket
	Upstream       string // host:port[,host:port…], socket directory or postgres URL
	Journal        string // directory, or a postgres URL
	JournalKey     string // file with the key of images, "" if none or given by the environment
	JournalKeep    string // how old entries become, such as 90d; "" : any age
	JournalMaxSize string // bytes of all entries together, such as 50GB; "": any
	Mode           string // block, hold, alert or off
	Threshold      int64  // rows one statement, and one transaction, may remove
	MaxSessions    int64  // sessions at a time; 0: any number
	MaxPerUser     int64  // of one user
	MaxPerAddress  int64  // from one client address
	MaxPerNetwork  string // from each of some networks, such as 10.0.0.0/8=50; see perNetwork
	MaxMessage     string // the longest message of either side, such as 64MB; "": PostgreSQL's own limit
	MaxMemory      string // what the process is to take, such as 512MiB; "": by the machine, see memoryLimit
	HandoverLimit  string // how long old sessions go on after a restart, such as 24h; 0: any time
	Admin          string // host:port, "" if switched off
	AdminToken     string // file with the token for reading, "" if none or given by the environment
	AdminActToken  string // likewise for acting
	AdminClientCA  string // PEM file; when set, clients of it must show a certificate of this CA
	Production     string // as Upstream; where restore writes
	Recovery       string // as Upstream; "" if none
	Output         string // text or json
	Webhook        string // http(s) URL that alerts are posted to, "" if none

	TLSCert, TLSKey string // PEM files of the proxy's certificate; "" for no TLS towards clients
	TLSClientCA     string // PEM file; when set, clients must show a certificate of this CA
	TLSRequired     string // on or off; "": on with TLSClientCA. See requireTLS

	Uncaptured  string // allow or block: rows removed whose keys cannot be recorded
	Uncountable string // allow or block: removals that cannot be counted before commit

	// rules is what all of mode, threshold, uncaptured, uncountable, defaults and
	// rules come to. Mode and Threshold are those of its default.
	rules policy.Policy

	checks []check.Query // the user's own, for check and backup verify

	alertsNode  *yaml.Node // the value of alerts in the file, nil if none; see alerts
	restoreNode *yaml.Node // likewise; see restore

	env    environment
	origin map[string]string // for people: where each setting that was given comes from
	keys   []string          // that the file has, sorted
}

func newSettings(env environment) *settings {
	return &settings{
		Listen:    "127.0.0.1:6432",
		Upstream:  "127.0.0.1:5432",
		Journal:   "./rowback-journal",
		Mode:      "block",
		Threshold: 1000,

		HandoverLimit: "24h",
		Admin:         "127.0.0.1:9432",
		Output:        "text",
		Uncaptured:    "allow",
		Uncountable:   "block",
		env:           env,
	}
}

// setting ties one field to its name: the flag, the key in the file and, in
// capitals with ROWBACK_ before it, the environment variable.
type setting struct {
	name, usage string
	text        *string // either this
	number      *int64  // or this
	common      bool    // a flag of every command, else of the proxy alone
	secret      bool    // flag and file name a file, the environment holds what would stand in it
}

// value is what it is now, as it would be written.
func (v setting) value() string {
	if v.number != nil {
		return strconv.FormatInt(*v.number, 10)
	}
	return *v.text
}

func (s *settings) all() []setting {
	return []setting{
		{name: "listen", text: &s.Listen, usage: "where clients connect: `ADDR` is host:port or a socket directory"},
		{name: "upstream", text: &s.Upstream, common: true, usage: "production server behind the proxy: host:port or a postgres `URL`"},
		{name: "journal", text: &s.Journal, common: true, usage: "the journal: a directory, or the postgres `URL` of one that several proxies share"},
		{name: keySetting, text: &s.JournalKey, common: true, secret: true, usage: "key that images of rows in the journal are encrypted with: a `FILE` of 32 bytes in hex or base64"},
		{name: "journal-keep", text: &s.JournalKeep, usage: "remove from the journal what is older than `AGE`, such as 90d"},
		{name: "journal-max-size", text: &s.JournalMaxSize, usage: "remove the oldest entries over `SIZE`, such as 50GB"},
		{name: "mode", text: &s.Mode, usage: "what happens over a threshold: `block|hold|alert|off`"},
		{name: "threshold", number: &s.Threshold, usage: "`ROWS` that one statement, and one transaction, may remove, cascades included"},
		{name: "max-sessions", number: &s.MaxSessions, usage: "`N` sessions at a time, more are refused with SQLSTATE 53300 (0: as many as the files that may be open allow)"},
		{name: "max-sessions-per-user", number: &s.MaxPerUser, usage: "likewise `N` sessions of one user"},
		{name: "max-sessions-per-address", number: &s.MaxPerAddress, usage: "likewise `N` sessions from one client address"},
		{name: "max-sessions-per-network", text: &s.MaxPerNetwork, usage: "likewise from all of a network: `NETWORK=N`, such as 10.0.0.0/8=50 (without a mask it is one address); several with commas"},
		{name: "max-message", text: &s.MaxMessage, usage: "`SIZE` of the longest message, query or row, such as 64MB (default PostgreSQL's own limit, 1GiB)"},
		{name: "max-memory", text: &s.MaxMemory, usage: "`SIZE` that the proxy's memory is to stay around, such as 512MiB (peaks may reach twice that): a third of it is for long messages and captured rows, which get SQLSTATE 53200 beyond that (default half of the machine's memory, or three quarters of what its cgroup or GOMEMLIMIT allow)"},
		{name: "handover-limit", text: &s.HandoverLimit, usage: "`TIME` that sessions of the old process go on after SIGUSR2 (0: any time)"},
		{name: "admin", text: &s.Admin, usage: "`ADDR` of metrics, health and API, or off"},
		{name: "admin-token", text: &s.AdminToken, secret: true, usage: "`FILE` of the bearer token that reads metrics and API"},
		{name: "admin-act-token", text: &s.AdminActToken, secret: true, usage: "`FILE` of the bearer token that answers held statements through the API"},
		{name: "admin-client-ca", text: &s.AdminClientCA, usage: "the admin endpoint speaks TLS, to clients with a certificate of this CA, a PEM `FILE`"},
		{name: "production", text: &s.Production, common: true, usage: "production server, straight: `URL` (default: the upstream)"},
		{name: "recovery", text: &s.Recovery, common: true, usage: "the recovery database: `URL`"},
		{name: "output", text: &s.Output, common: true, usage: "how data is printed: `text|json`"},
		{name: "webhook", text: &s.Webhook, usage: "http(s) `URL` that alerts are posted to"},
		{name: "tls-cert", text: &s.TLSCert, usage: "certificate shown to clients, a PEM `FILE`"},
		{name: "tls-key", text: &s.TLSKey, usage: "key of --tls-cert, a PEM `FILE`"},
		{name: "tls-client-ca", text: &s.TLSClientCA, usage: "clients must show a certificate of this CA, a PEM `FILE`"},
		{name: "tls-required", text: &s.TLSRequired, usage: "refuse clients without TLS, but on unix sockets: `on|off` (default: on with --tls-client-ca)"},
		{name: "uncaptured", text: &s.Uncaptured, usage: "deletions whose keys cannot be recorded: `allow|block`"},
		{name: "uncountable", text: &s.Uncountable, usage: "removals that cannot be counted before commit: `allow|block`"},
	}
}

// addCommonFlags adds the flags that every command has.
func (s *settings) addCommonFlags(f *pflag.FlagSet) {
	f.StringVar(&s.ConfigFile, "config", "", "configuration `FILE` (default rowback.yaml here, then /etc/rowback/rowback.yaml)")
	s.addFlags(f, true)
}

// addProxyFlags adds the flags of the settings that only a proxy has.
func (s *settings) addProxyFlags(f *pflag.FlagSet) { s.addFlags(f, false) }

func (s *settings) addFlags(f *pflag.FlagSet, common bool) {
	for _, v := range s.all() {
		switch {
		case v.common != common:
		case v.number != nil:
			f.Int64Var(v.number, v.name, *v.number, v.usage)
		default:
			f.StringVar(v.text, v.name, *v.text, v.usage)
		}
	}
}

// load fills in what no flag said, by environment, then file, and validates.
// Its errors are usage errors. To reload, call it on a copy: flags keep the
// values they had, and a bad file leaves the settings in force alone.
func (s *settings) load(flags *pflag.FlagSet) error {
	file, err := s.fill(flags)
	s.keys = slices.Sorted(maps.Keys(file))
	if err == nil {
		err = s.validate()
	}
	if err == nil {
		err = s.readChecks(file)
	}
	s.alertsNode = file["alerts"].node
	s.restoreNode = file["restore"].node
	if err == nil { // last: there are commands that go on without it
		if err = s.readPolicy(file); err != nil {
			err = &policyError{err}
		}
	}
	return usageError(err)
}

// fill sets what is one value; it returns the file's lines.
func (s *settings) fill(flags *pflag.FlagSet) (map[string]line, error) {
	defaults := newSettings(s.env).all()
	s.origin = map[string]string{}
	if err := s.knownEnv(); err != nil {
		return nil, err
	}
	file, err := s.readFile(flags.Changed("config"))
	if err != nil {
		return nil, err
	}
	for i, v := range s.all() {
		if flags.Changed(v.name) {
			s.origin[v.name] = "--" + v.name
			continue
		}
		v.reset(defaults[i])
		if text := s.env[envName(v.name)]; text != "" {
			s.origin[v.name] = envName(v.name)
			if v.secret {
				continue
			}
			err = v.parse(text, s.origin[v.name])
		} else if line, ok := file[v.name]; ok {
			s.origin[v.name] = fmt.Sprintf("%s:%d: %s", s.ConfigFile, line.number, v.name)
			err = v.parse(line.text, s.origin[v.name])
		}
		if err != nil {
			return nil, err
		}
	}
	if s.Production == "" {
		s.Production = s.Upstream
	}
	return file, nil
}

func (v setting) reset(d setting) {
	if v.number != nil {
		*v.number = *d.number
		return
	}
	*v.text = *d.text
}
