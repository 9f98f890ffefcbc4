package alert

import (
	"context"
	"encoding/json"
	"strings"
)

// Slack posts a text to an incoming webhook of Slack, or of what takes the same:
// Mattermost, Rocket.Chat, Discord (its URL with /slack), Google Chat. All of it is in the text, because
// those others leave out blocks.
type Slack struct {
	URL     Secret
	Headers map[string]Secret
}

func (s Slack) endpoint() endpoint { return endpoint(s) }

func (s Slack) kind() string      { return "slack" }
func (s Slack) String() string    { return s.endpoint().String() }
func (s Slack) secrets() []string { return s.endpoint().secrets() }

func (s Slack) send(ctx context.Context, m *Message) error {
	body, err := json.Marshal(map[string]string{"text": slackText(m)})
	if err != nil {
		return err
	}
	return s.endpoint().post(ctx, "", body)
}

// maxSlack bounds a text: Slack cuts off at 40,000 characters.
const maxSlack = 8000

func slackText(m *Message) string {
	lines := []string{"*" + escaped(m.Title) + "*", escaped(m.What)}
	add := func(label, text string) {
		if text != "" {
			lines = append(lines, label+escaped(text))
		}
	}
	add("Tables: ", m.notice.tables())
	add("", m.Who)
	add("Allowed: ", m.Leave)
	add("", m.notice.others())
	for _, sql := range m.SQL {
		add("> ", oneLine(sql))
	}
	if m.Kind != Test {
		add("Reference: ", m.ID)
	}
	add("", m.Next)
	text := strings.Join(lines, "\n")
	if r := []rune(text); len(r) > maxSlack {
		return string(r[:maxSlack]) + "…"
	}
	return text
}

// escaped keeps names that a client chooses from being read as mentions, links or markup.
func escaped(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "\n", " ", "\r", " ").Replace(s)
}
