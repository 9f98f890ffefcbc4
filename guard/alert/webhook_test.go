package alert

import (
	"encoding/json"
	"strings"
	"testing"
)

// sent is what one notice makes a target send to r.
func sent(t *testing.T, r *receiver, to Target, sql bool, n Notice) request {
	t.Helper()
	if err := to.send(t.Context(), n.message(sql)); err != nil {
		t.Fatal(err)
	}
	return r.next(t)
}

func TestWebhook_Body(t *testing.T) {
	r := newReceiver(t, nil)
	w := Webhook{URL: Secret(r.URL + "/in?key=k"), Headers: map[string]Secret{"Authorization": "Bearer abc"}}
	n := ofEntry(committed("app"))
	n.More, n.MoreRows = 2, 7
	q := sent(t, r, w, false, n)
	if q.method != "POST" || q.path != "/in?key=k" || q.header.Get("Content-Type") != "application/json" || q.header.Get("Authorization") != "Bearer abc" {
		t.Errorf("%+v", q)
	}
	var m Message
	decode(t, q.body, &m)
	if m.Kind != Alert || m.ID != n.ID() || m.Severity != "critical" || m.Rows != 50 || m.Rule != "nightly" || m.More != 2 || m.Entry == nil || m.Entry.Rows != 50 || len(m.Entry.Statements) != 1 ||
		len(m.Tables) != 2 || m.Tables[1] != (Share{"audit.payments", 30, "cascade"}) {
		t.Errorf("%s", q.body)
	}
	decode(t, sent(t, r, w, false, ofHold(hold())).body, &m)
	if m.Kind != Held || m.Hold == nil || !m.AtLeast || m.Hold.What == "" {
		t.Errorf("%+v", m)
	}
}

// A statement's text may hold data: it is told only where that is asked for.
func TestTargets_StatementTextOnlyOnRequest(t *testing.T) {
	r := newReceiver(t, nil)
	url := Secret(r.URL)
	for _, to := range []Target{Webhook{URL: url}, Slack{URL: url}, Alertmanager{URL: url}, PagerDuty{URL: url, RoutingKey: "k"}} {
		for _, n := range []Notice{ofEntry(blocked("app")), ofEntry(committed("app")), ofHold(hold())} {
			for _, sql := range []bool{false, true} {
				if body := string(sent(t, r, to, sql, n).body); strings.Contains(body, "SECRET-ROW") != sql {
					t.Errorf("%s, %s, sql: %v: %s", to.kind(), n.Kind, sql, body)
				}
			}
		}
	}
}

func TestWebhook_BodyIsBounded(t *testing.T) {
	e := committed("app")
	for range 5000 {
		e.Statements = append(e.Statements, e.Statements[0])
		e.Tables = append(e.Tables, e.Tables[0])
	}
	n := ofEntry(e)
	body, err := Webhook{}.body(n.message(true))
	if err != nil || len(body) > 100_000 {
		t.Errorf("%d bytes, %v", len(body), err)
	}
	if len(slackText(n.message(true))) > maxSlack+10 {
		t.Error("Slack's text is not bounded")
	}
}

func TestWebhook_Template(t *testing.T) {
	r := newReceiver(t, nil)
	tmpl, err := ParseTemplate(`{"msg": {{json .Text}}, "n": {{.Rows}}, "t": [{{range $i, $t := .Tables}}{{if $i}},{{end}}{{json $t.Table}}{{end}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	w := Webhook{URL: Secret(r.URL), Template: tmpl}
	if err := w.wellFormed(); err != nil {
		t.Error(err)
	}
	e := blocked(`o"brien`)
	var got struct {
		Msg string
		N   int
		T   []string
	}
	decode(t, sent(t, r, w, false, ofEntry(e)).body, &got)
	if !strings.Contains(got.Msg, `by o"brien`) || got.N != 50 || len(got.T) != 2 {
		t.Errorf("%+v", got)
	}
	for _, bad := range []string{"{{.Txt}}", "{{", "{{.Hold.What}}", "{{nothing}}"} {
		if _, err := ParseTemplate(bad); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	unquoted, err := ParseTemplate(`{"msg": "{{.Text}}"}`)
	if err != nil {
		t.Fatal(err)
	}
	if err := (Webhook{Template: unquoted}).wellFormed(); err == nil || !strings.Contains(err.Error(), "{{json .Text}}") {
		t.Errorf("%v", err)
	}
	if err := (Webhook{Template: unquoted, Headers: map[string]Secret{"content-type": "text/plain"}}).wellFormed(); err != nil {
		t.Error(err)
	}
}

func TestMessage_IsJSONForEveryKind(t *testing.T) {
	for _, n := range samples() {
		body, err := Webhook{}.body(n.message(true))
		if err != nil || !json.Valid(body) {
			t.Errorf("%s: %v", n.Kind, err)
		}
	}
}
