package alert

import (
	"context"
	"encoding/json"
	"strings"
	"time"
)

// Alertmanager posts to the v2 API of Prometheus's Alertmanager.
type Alertmanager struct {
	URL     Secret // its root, as in http://127.0.0.1:9093
	Headers map[string]Secret
}

func (a Alertmanager) endpoint() endpoint {
	return endpoint{Secret(strings.TrimRight(string(a.URL), "/")), a.Headers}
}

func (a Alertmanager) kind() string      { return "alertmanager" }
func (a Alertmanager) String() string    { return a.endpoint().String() }
func (a Alertmanager) secrets() []string { return a.endpoint().secrets() }

// firing is how long an alert about something that has happened stays: long enough
// for any group_wait and group_interval.
const firing = 15 * time.Minute

type managed struct {
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	StartsAt    time.Time         `json:"startsAt"`
	EndsAt      time.Time         `json:"endsAt"`
}

var alertNames = map[Kind]string{
	Blocked: "RowbackBlocked", Alert: "RowbackRowsRemoved", Held: "RowbackStatementHeld", Uncaptured: "RowbackKeysNotRecorded", Test: "RowbackTest",
}

func (a Alertmanager) send(ctx context.Context, m *Message) error {
	// The reference is a label: alerts with the same labels are one to Alertmanager.
	alert := managed{
		Labels: filled(map[string]string{
			"alertname": alertNames[m.Kind], "severity": m.Severity, "reference": m.ID, "database": m.Database, "user": m.User, "rule": m.Rule, "proxy": m.Proxy,
		}),
		Annotations: filled(map[string]string{
			"summary": m.Text, "description": m.What, "tables": m.notice.tables(), "who": m.Who, "allowed": m.Leave,
			"more": m.notice.others(), "next": m.Next, "sql": strings.Join(m.SQL, ";\n"),
		}),
		StartsAt: m.Time, EndsAt: m.Time.Add(firing),
	}
	switch {
	case m.Hold != nil:
		alert.EndsAt = m.Hold.Expires
	case m.Kind == Test:
		alert.EndsAt = m.Time.Add(time.Minute)
	}
	body, err := json.Marshal([]managed{alert})
	if err != nil {
		return err
	}
	return a.endpoint().post(ctx, "/api/v2/alerts", body)
}

// filled leaves out what is empty, and makes the rest valid UTF-8, which is asked for.
func filled(m map[string]string) map[string]string {
	for k, v := range m {
		if m[k] = strings.ToValidUTF8(v, "?"); v == "" {
			delete(m, k)
		}
	}
	return m
}
