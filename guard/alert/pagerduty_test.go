package alert

import (
	"encoding/json"
	"net/http"
	"reflect"
	"strings"
	"testing"
)

func TestPagerDuty_Event(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	p := PagerDuty{URL: Secret(r.URL + "/v2/enqueue"), RoutingKey: "R0UT1NG"}
	e := committed("app")
	e.ID = "C1"
	q := sent(t, r, p, false, ofEntry(e))
	var got map[string]any
	decode(t, q.body, &got)
	payload := got["payload"].(map[string]any)
	details := payload["custom_details"].(map[string]any)
	for _, c := range []struct{ got, want any }{
		{q.path, "/v2/enqueue"}, {got["routing_key"], "R0UT1NG"}, {got["event_action"], "trigger"}, {got["dedup_key"], "rowback-C1"},
		{payload["severity"], "critical"}, {payload["source"], "p1"}, {payload["component"], "shop"}, {payload["class"], "alert"}, {payload["timestamp"], "2026-11-25T10:00:00Z"},
		{details["reference"], "C1"}, {details["rows"], 50.0}, {details["user"], "app"}, {details["client"], "10.0.0.5:4122"},
		{details["tables"], []any{map[string]any{"table": "orders", "rows": 20.0, "via": "direct"}, map[string]any{"table": "audit.payments", "rows": 30.0, "via": "cascade"}}},
	} {
		if !reflect.DeepEqual(c.got, c.want) {
			t.Errorf("got %v, want %v", c.got, c.want)
		}
	}
	if s := payload["summary"].(string); !strings.Contains(s, "DELETE removed 50 rows") {
		t.Error(s)
	}
	e.Alert = strings.Repeat("é", 5000)
	decode(t, sent(t, r, p, false, ofEntry(e)).body, &got)
	if s := got["payload"].(map[string]any)["summary"].(string); len([]rune(s)) != maxSummary || !json.Valid(q.body) {
		t.Errorf("a summary of %d characters", len([]rune(s)))
	}
	decode(t, sent(t, r, p, false, ofHold(hold())).body, &got)
	if p := got["payload"].(map[string]any); p["severity"] != "critical" || p["class"] != "held" {
		t.Errorf("%v", p)
	}
}

func TestPagerDuty_ItsOwnAddress(t *testing.T) {
	if got := (PagerDuty{RoutingKey: "k"}).String(); got != "events.pagerduty.com" {
		t.Error(got)
	}
}
