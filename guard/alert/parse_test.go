package alert

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/rowback/rowback/internal/yamlstrict"
)

func parse(t *testing.T, text string) (Config, error) {
	t.Helper()
	n, err := yamlstrict.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"TOKEN": "HUSH-token", "PD_KEY": "HUSH-key", "HOOK": "https://h/HUSH", "EMPTY": "", "BAD": "ftp://HUSH", "LINES": "HUSH\nx"}
	return Parse(n, func(name string) (string, bool) { v, ok := env[name]; return v, ok })
}

func TestParse_Sinks(t *testing.T) {
	got, err := parse(t, `
- slack: ${HOOK}
- webhook: {url: "https://w/x?k=${TOKEN}", headers: {Authorization: "Bearer ${TOKEN}"}, template: '{"t": {{json .Text}}}'}
  name: pager
  on: [blocked, uncaptured]
  repeat: 5m
  timeout: 3s
  sql: true
- alertmanager: http://127.0.0.1:9093
  on: held
  repeat: off
- pagerduty: {routing-key: "${PD_KEY}", url: http://localhost:1/v2/enqueue}
- pagerduty: ${PD_KEY}
- command: [/usr/local/bin/page, --now, "$${x} ${TOKEN}"]
- command: page
`)
	if err != nil {
		t.Fatal(err)
	}
	if w := got.Sinks[1].To.(Webhook); w.Template == nil {
		t.Error("no template")
	} else {
		w.Template = nil
		got.Sinks[1].To = w
	}
	want := []Sink{
		{To: Slack{URL: "https://h/HUSH"}},
		{To: Webhook{URL: "https://w/x?k=HUSH-token", Headers: map[string]Secret{"Authorization": "Bearer HUSH-token"}}, Name: "pager", On: []Kind{Blocked, Uncaptured}, Repeat: 5 * time.Minute, Timeout: 3 * time.Second, SQL: true},
		{To: Alertmanager{URL: "http://127.0.0.1:9093"}, On: []Kind{Held}, Repeat: -1},
		{To: PagerDuty{RoutingKey: "HUSH-key", URL: "http://localhost:1/v2/enqueue"}},
		{To: PagerDuty{RoutingKey: "HUSH-key", URL: pagerDutyURL}},
		{To: Command{Args: []Secret{"/usr/local/bin/page", "--now", "${x} HUSH-token"}}},
		{To: Command{Args: []Secret{"page"}}},
	}
	for i := range want {
		if !reflect.DeepEqual(got.Sinks[i], want[i]) {
			t.Errorf("%d: %s", i, got.Sinks[i].To)
		}
	}
	var names []string
	for _, s := range got.completed() {
		names = append(names, s.Name)
		if len(s.On) == 0 || s.Repeat == 0 || s.Timeout == 0 {
			t.Errorf("%+v", s)
		}
	}
	if s := fmt.Sprint(names); s != "[slack pager alertmanager pagerduty pagerduty-2 command command-2]" {
		t.Error(s)
	}
}

func TestParse_Errors(t *testing.T) {
	for text, want := range map[string]string{
		"slack: https://h/HUSH\n":                                          "f:1: takes a list",
		"- slak: https://h/HUSH\n":                                         `f:1: unknown key of an alert sink "slak", did you mean "slack"?`,
		"- slack: https://h/x\n  onn: [held]\n":                            `f:2: unknown key of an alert sink "onn", did you mean "on"?`,
		"- slack: https://h/x\n  on: [hold]\n":                             `f:2: unknown kind of alert "hold", did you mean "held"?`,
		"- slack: https://h/x\n  on: []\n":                                 "f:2: on names no kind of alert",
		"- slack: https://h/x\n  repeat: often\n":                          "f:2: repeat takes a time like 30s",
		"- slack: https://h/x\n  timeout: 0\n":                             "f:2: timeout takes a time like 30s",
		"- slack: https://h/x\n  name: a\n- slack: https://h/y\n  name: a": `f:3: a sink of the name "a" is in line 1 already`,
		"- on: [held]\n":                                                   "f:1: an alert sink needs one of webhook, slack",
		"- slack: https://h/x\n  pagerduty: k\n":                           "f:1: an alert sink is one place, not slack and pagerduty",
		"- slack:\n":                                                       "f:1: slack is not an http or https URL",
		"- slack: h/HUSH\n":                                                "f:1: slack is not an http or https URL",
		"- slack: ${BAD}\n":                                                "f:1: slack is not an http or https URL",
		"- slack: ${NOPE}\n":                                               "f:1: slack needs the environment variable NOPE, which is not set",
		"- slack: ${EMPTY}\n":                                              "f:1: slack needs the environment variable EMPTY, which is not set",
		"- slack: https://h/${TOKEN\n":                                     "f:1: slack has a ${ that names no variable",
		"- slack: https://h/${A B}\n":                                      "f:1: slack has a ${ that names no variable",
		"- webhook: {headers: {A: b}}\n":                                   "f:1: webhook needs a url",
		"- webhook:\n    url: https://h\n    template: '{{.Txt}}'\n":       "f:3: template cannot be used: ",
		"- webhook:\n    url: https://h\n    template: '{{.Text}}'\n":      "f:2: webhook: template does not make JSON",
		"- webhook:\n    url: https://h\n    headers:\n      'A B': c\n":   `f:4: "A B" is no name of a header`,
		"- webhook:\n    url: https://h\n    headers: {A: \"${LINES}\"}\n": "f:3: the header A has a line break",
		"- webhook:\n    url: https://h\n    headers: [A]\n":               "f:3: headers takes lines of the form",
		"- slack: {url: https://h, template: x}\n":                         `f:1: unknown key of slack "template"`,
		"- pagerduty: {url: https://h}\n":                                  "f:1: pagerduty needs a routing-key",
		"- pagerduty: {routing_key: HUSH}\n":                               `f:1: unknown key of pagerduty "routing_key", did you mean "routing-key"?`,
		"- command: []\n":                                                  "f:1: command takes a list: the program and its arguments",
		"- command: page --now\n":                                          "f:1: command takes a list, each argument apart",
		"- command: [page, '${NOPE}']\n":                                   "f:1: command needs the environment variable NOPE",
	} {
		_, err := parse(t, text)
		var at *yamlstrict.Error
		if err == nil || !errors.As(err, &at) || !strings.HasPrefix(yamlstrict.In("f", err), want) || strings.Contains(err.Error(), "HUSH") {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
}
