package alert

import (
	"cmp"
	"context"
	"encoding/json"
	"time"
)

// PagerDuty triggers an incident by Events API v2.
type PagerDuty struct {
	RoutingKey Secret
	URL        Secret // "" : PagerDuty's own
	Headers    map[string]Secret
}

const pagerDutyURL = "https://events.pagerduty.com/v2/enqueue"

func (p PagerDuty) endpoint() endpoint {
	return endpoint{cmp.Or(p.URL, pagerDutyURL), p.Headers}
}

func (p PagerDuty) kind() string      { return "pagerduty" }
func (p PagerDuty) String() string    { return p.endpoint().String() }
func (p PagerDuty) secrets() []string { return append(p.endpoint().secrets(), string(p.RoutingKey)) }

type pagerEvent struct {
	RoutingKey  string       `json:"routing_key"`
	EventAction string       `json:"event_action"`
	DedupKey    string       `json:"dedup_key"`
	Client      string       `json:"client"`
	Payload     pagerPayload `json:"payload"`
}

type pagerPayload struct {
	Summary   string         `json:"summary"`
	Source    string         `json:"source"`
	Severity  string         `json:"severity"`
	Timestamp time.Time      `json:"timestamp"`
	Component string         `json:"component,omitempty"`
	Group     string         `json:"group,omitempty"`
	Class     string         `json:"class"`
	Details   map[string]any `json:"custom_details"`
}

// maxSummary is PagerDuty's limit.
const maxSummary = 1024

func (p PagerDuty) send(ctx context.Context, m *Message) error {
	details := map[string]any{"reference": m.ID, "what": m.What, "rows": m.Rows}
	for k, v := range filled(map[string]string{
		"who": m.Who, "user": m.User, "application": m.Application, "client": m.Client, "database": m.Database,
		"rule": m.Rule, "allowed": m.Leave, "next": m.Next, "more": m.notice.others(),
	}) {
		details[k] = v
	}
	if len(m.Tables) > 0 {
		details["tables"] = m.Tables
	}
	if len(m.SQL) > 0 {
		details["sql"] = m.SQL
	}
	summary := []rune(m.Text)
	body, err := json.Marshal(pagerEvent{
		RoutingKey: string(p.RoutingKey), EventAction: "trigger", Client: "rowback",
		// One incident a notice: with a key for those alike, an incident left open
		// would swallow the next ones unheard.
		DedupKey: "rowback-" + m.ID,
		Payload: pagerPayload{
			Summary: string(summary[:min(len(summary), maxSummary)]), Source: cmp.Or(m.Proxy, "rowback"), Severity: m.Severity,
			Timestamp: m.Time, Component: m.Database, Group: m.Rule, Class: string(m.Kind), Details: details,
		},
	})
	if err != nil {
		return err
	}
	return p.endpoint().post(ctx, "", body)
}
