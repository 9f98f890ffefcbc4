package policy

import (
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"github.com/rowback/rowback/internal/yamlstrict"
)

func node(t testing.TB, text string) *yaml.Node {
	t.Helper()
	n, err := yamlstrict.Parse([]byte(text))
	if err != nil || n == nil {
		t.Fatalf("%q: %v", text, err)
	}
	return n
}

const everyKey = `
- name: gdpr batches
  databases: [shop]
  users: [gdpr]
  applications: ["", nightly-*]
  tables: [orders, "audit.*"]
  networks: [10.0.0.0/8, 192.0.2.7, "2001:db8::/32", local]
  mode: hold
  limits: {statement: 5000, transaction: unlimited}
  windows:
    - {rows: 100, per: 1m, by: [table, user]}
    - {rows: 1000, per: 2d}
  fraction: 10%
  fraction-min: 50
  where-required: true
  refuse: [truncate, drop, drop-column]
  uncaptured: block
  uncountable: allow
  capture: rows
  exclude-columns: [ssn, "people.*_hash"]
  updates: on
  soft-delete: {columns: [deleted_at, is_deleted]}
  temporary: yes
  hold-for: 30m
  comment-allowances: {max: 100000}
`

func TestParse_EveryKey(t *testing.T) {
	got, err := Parse(node(t, everyKey), Base())
	want := []Rule{{
		Name: "gdpr batches",
		Match: Match{
			Databases: []string{"shop"}, Users: []string{"gdpr"}, Applications: []string{"", "nightly-*"}, Tables: []string{"orders", "audit.*"},
			Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("192.0.2.7/32"), netip.MustParsePrefix("2001:db8::/32")},
			Local:    true,
		},
		Mode: Hold, Statement: 5000, Transaction: Unlimited,
		Windows:  []Window{{100, time.Minute, []Dimension{ByTable, ByUser}}, {1000, 48 * time.Hour, nil}},
		Fraction: 0.1, FractionMin: 50, WhereRequired: true, Refuse: []Verb{Truncate, Drop, DropColumn},
		Uncaptured: Refuse, Uncountable: Allow, Capture: CaptureRows, ExcludeColumns: []string{"ssn", "people.*_hash"}, Updates: true, SoftDelete: []string{"deleted_at", "is_deleted"}, Temporary: true,
		HoldFor: 30 * time.Minute, CommentAllowances: true, CommentMax: 100000,
	}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\n got %+v\nwant %+v", err, got, want)
	}
}

// A rule takes what it leaves out from the defaults, and what it says instead of theirs.
func TestParse_Inherits(t *testing.T) {
	defaults, err := ParseDefaults(node(t, `
mode: alert
threshold: 500
windows: [{rows: 10, per: 1s}]
fraction: 0.25
refuse: [truncate]
where_required: on
soft_delete: {columns: [deleted_at]}
`), Base())
	if err != nil || defaults.Statement != 500 || defaults.Transaction != 500 || defaults.FractionMin != DefaultFractionMin || !defaults.WhereRequired {
		t.Fatalf("%v: %+v", err, defaults)
	}
	rules, err := Parse(node(t, `
- {name: same, users: [a]}
- {name: other, users: b, mode: block, limits: {statement: 100}, windows: [], fraction: 0, refuse: [], where-required: no, soft-delete: off}
`), defaults)
	if err != nil {
		t.Fatal(err)
	}
	want := defaults
	want.Name, want.Match.Users = "same", []string{"a"}
	if !reflect.DeepEqual(rules[0], want) {
		t.Errorf(" got %+v\nwant %+v", rules[0], want)
	}
	o := rules[1]
	if o.Mode != Block || o.Statement != 100 || o.Transaction != 500 || o.Windows != nil || o.Fraction != 0 || len(o.Refuse) > 0 || o.WhereRequired || o.SoftDelete != nil || o.Match.Users[0] != "b" {
		t.Errorf("%+v", o)
	}
	rules[0].Windows[0].Rows = 99
	if defaults.Windows[0].Rows != 10 {
		t.Error("a rule shares its windows with the defaults")
	}
}

func TestParse_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"name: a":                        "f:1: rules takes a list",
		"- a":                            "f:1: expected lines of the form",
		"- {name: a, user: [b]}":         `f:1: unknown key of a rule "user", did you mean "users"?`,
		"- name: a\n  treshold: 5":       `f:2: unknown key of a rule "treshold", did you mean "threshold"?`,
		"- name: a\n  where_requird: on": `did you mean "where-required"?`,
		"- name: a\n  mode: block\n  mode: alert":                     "f:3: mode is already set in line 2",
		"- name: a\n  soft_delete: off\n  soft-delete: off":           "f:3: soft-delete is already set in line 2",
		"- name: a\n- name: b\n- name: a":                             `f:3: a rule called "a" begins in line 1 already`,
		"- mode: block":                                               "f:1: name: is missing",
		"- name: default":                                             `f:1: name: "default" is what applies where no rule matches`,
		"- name: \" a\"":                                              "f:1: name: has control characters in it, or spaces around it",
		"- name:":                                                     "f:1: name has no value",
		"- name: a\n  users:":                                         "f:2: users has no value",
		"- name: a\n  users: []":                                      "f:2: users is an empty list",
		"- name: a\n  users: ['']":                                    `f:2: rule "a": users: an empty name`,
		"- name: a\n  tables: ['[a']":                                 `f:2: rule "a": tables: "[a" is no pattern`,
		"- name: a\n  tables: ['\"Orders\"']":                         "without SQL's quotes",
		"- name: a\n  networks: [10.0.0.1/8]":                         "f:2: networks has 10.0.0.1/8, whose address goes on beyond the prefix; did you mean 10.0.0.0/8, or 10.0.0.1 alone?",
		"- name: a\n  networks: [lokal]":                              `f:2: networks has "lokal", which is no network`,
		"- name: a\n  networks: ['::ffff:10.0.0.0/104']":              "write IPv4 networks as such",
		"- name: a\n  mode: blok":                                     `f:2: mode takes one of block, hold, alert, off, not "blok"`,
		"- name: a\n  threshold: -1":                                  "f:2: threshold -1 is below zero",
		"- name: a\n  threshold: lots":                                `f:2: threshold takes a number of rows, or unlimited, not "lots"`,
		"- name: a\n  threshold: [1]":                                 "f:2: threshold takes one value",
		"- name: a\n  limits: 5":                                      "f:2: limits takes {statement: 500, transaction: 500}; threshold: 500 sets both",
		"- name: a\n  limits: {statment: 5}":                          `f:2: unknown limit "statment", did you mean "statement"?`,
		"- name: a\n  threshold: 5\n  limits: {statement: 5}":         "f:2: threshold sets both limits, and limits stands in line 3",
		"- name: a\n  limits:\n    statement: 5000":                   `f:2: rule "a": limits: a statement may remove 5000 rows, but its transaction only 1000`,
		"- name: a\n  windows: [{per: 1m}]":                           "f:2: a window needs rows",
		"- name: a\n  windows:\n  - {rows: 5}":                        "f:3: a window needs per",
		"- name: a\n  windows: [{rows: 5, per: 1}]":                   `f:2: per takes a time like 30s, 5m, 1h or 7d, not "1"`,
		"- name: a\n  windows: [{rows: 5, per: 1ms}]":                 "per: 1ms is not between 1s and 31d",
		"- name: a\n  windows: [{rows: -5, per: 1m}]":                 "rows: -5 is no limit",
		"- name: a\n  windows: [{rows: 5, per: 1m, by: [tabel]}]":     `f:2: by has an unknown word "tabel", did you mean "table"?`,
		"- name: a\n  windows: [{rows: 5, per: 1m, by: [user,user]}]": "by: user stands there twice",
		"- name: a\n  windows: [{rows: 5, per: 1m, by: [user, table]}, {rows: 6, per: 60s, by: [table, user]}]": "two windows of 1m count by the same",
		"- name: a\n  fraction: 100%":                               `f:2: fraction takes a part of a table, such as 10% or 0.1, or 0 for no such limit, not "100%"`,
		"- name: a\n  fraction: 2":                                  "fraction takes a part",
		"- name: a\n  fraction: -0.1":                               "fraction takes a part",
		"- name: a\n  fraction: NaN":                                "fraction takes a part",
		"- name: a\n  fraction-min: 5":                              "f:2: fraction-min says nothing without fraction",
		"- name: a\n  fraction: 0.1\n  fraction-min: -5":            "f:3: rule \"a\": fraction-min: -5 is below zero",
		"- name: a\n  refuse: [trunkate]":                           `f:2: refuse has an unknown word "trunkate", did you mean "truncate"?`,
		"- name: a\n  refuse: [drop, drop]":                         "refuse: drop stands there twice",
		"- name: a\n  uncaptured: maybe":                            `f:2: uncaptured takes one of allow, block, not "maybe"`,
		"- name: a\n  capture: all":                                 `f:2: capture takes one of keys, rows, not "all"`,
		"- name: a\n  exclude-columns: [x]":                         "f:2: exclude-columns says nothing without capture: rows",
		"- name: a\n  capture: rows\n  exclude-columns: ['a[']":     `f:3: rule "a": exclude-columns: "a[" is no pattern for columns`,
		"- name: a\n  capture: rows\n  exclude-columns: ['\"A\"']":  "without SQL's quotes",
		"- name: a\n  capture: rows\n  exclude_colums: [a]":         `did you mean "exclude-columns"?`,
		"- name: a\n  updates: perhaps":                             "f:2: updates takes true or false",
		"- name: a\n  soft-delete: on":                              "f:2: soft-delete takes {columns: [deleted_at, is_deleted]}, or off",
		"- name: a\n  soft-delete: [deleted_at]":                    "f:2: soft-delete takes {columns: [deleted_at, is_deleted]}, or off",
		"- name: a\n  soft-delete: {column: [a]}":                   `f:2: unknown key of soft-delete "column", did you mean "columns"?`,
		"- name: a\n  soft-delete: {columns: [a, a]}":               "stands there twice",
		"- name: a\n  hold-for: soon":                               "f:2: hold-for takes a time like",
		"- name: a\n  mode: hold\n  hold-for: 10ms":                 `f:3: rule "a": hold-for: 10ms is not between 1s and 1d`,
		"- name: a\n  comment-allowances: {max: 5}":                 "f:2: rule \"a\": comment-allowances: needs users",
		"- name: a\n  users: ['*']\n  comment-allowances: {max: 5}": `f:3: rule "a": comment-allowances: needs users by name`,
		"- name: a\n  users: [b]\n  comment-allowances: on":         "f:3: comment-allowances takes {max: 100000}",
		"- name: a\n  users: [b]\n  comment-allowances: {}":         "f:3: comment-allowances needs max",
	} {
		rules, err := Parse(node(t, text), Base())
		if err == nil {
			t.Errorf("%q was taken: %v", text, rules)
		} else if got := yamlstrict.In("f", err); !strings.HasPrefix(got, "f:") || !strings.Contains(got, want) {
			t.Errorf("%q:\n got %s\nwant %s", text, got, want)
		}
	}
}

func TestParseDefaults_Refuses(t *testing.T) {
	for text, want := range map[string]string{
		"- mode: block":                  "f:1: expected lines of the form",
		"users: [a]":                     `f:1: unknown key of the defaults "users"`,
		"name: a":                        `f:1: unknown key of the defaults "name"`,
		"comment-allowances: {max: 5}":   `f:1: unknown key of the defaults "comment-allowances"`,
		"mode: block\nhold-for: 3d":      "f:2: hold-for: 3d is not between 1s and 1d",
		"mode: block\nlimits: {rows: 5}": `f:2: unknown limit "rows"`,
	} {
		if _, err := ParseDefaults(node(t, text), Base()); err == nil || !strings.Contains(yamlstrict.In("f", err), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}
