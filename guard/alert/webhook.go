package alert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"
	"time"

	"github.com/rowback/rowback/journal"
)

// Webhook posts a Message as JSON, or what a template makes of it.
type Webhook struct {
	URL      Secret
	Headers  map[string]Secret
	Template *template.Template // nil: the Message
}

func (w Webhook) endpoint() endpoint { return endpoint{w.URL, w.Headers} }

func (w Webhook) kind() string      { return "webhook" }
func (w Webhook) String() string    { return w.endpoint().String() }
func (w Webhook) secrets() []string { return w.endpoint().secrets() }

func (w Webhook) send(ctx context.Context, m *Message) error {
	body, err := w.body(m)
	if err != nil {
		return err
	}
	return w.endpoint().post(ctx, "", body)
}

func (w Webhook) body(m *Message) ([]byte, error) {
	if w.Template == nil {
		return json.Marshal(m)
	}
	var b bytes.Buffer
	if err := w.Template.Execute(&b, m); err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	return b.Bytes(), nil
}

// ParseTemplate makes a webhook's template: a Go text/template over a Message,
// with a function json that writes any of it as JSON. It is tried on a notice of each kind.
func ParseTemplate(text string) (*template.Template, error) {
	t, err := template.New("template").Funcs(template.FuncMap{"json": toJSON}).Parse(text)
	if err != nil {
		return nil, errors.New(strings.TrimPrefix(err.Error(), "template: "))
	}
	for _, n := range samples() {
		if err := t.Execute(io.Discard, n.message(true)); err != nil {
			return nil, fmt.Errorf("for a notice of kind %s: %s", n.Kind, strings.TrimPrefix(err.Error(), "template: "))
		}
	}
	return t, nil
}

func toJSON(v any) (string, error) {
	b, err := json.Marshal(v)
	return string(b), err
}

// wellFormed makes sure that a template whose body is sent as JSON is JSON.
func (w Webhook) wellFormed() error {
	if w.Template == nil {
		return nil
	}
	for name := range w.Headers {
		if strings.EqualFold(name, "Content-Type") {
			return nil
		}
	}
	for _, n := range samples() {
		if body, err := w.body(n.message(true)); err != nil || !json.Valid(body) {
			return fmt.Errorf("does not make JSON of a notice of kind %s (write texts as {{json .Text}}; or name another Content-Type under headers)", n.Kind)
		}
	}
	return nil
}

// samples are a notice of each kind, with texts that need quoting.
func samples() []Notice {
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	e := journal.Entry{ID: journal.NewID(at), Time: at, Database: "shop", User: `o"brien`, Application: "psql\n", Client: "10.0.0.1:5000", Rows: 3, Alert: "DELETE would remove 3 rows (orders 3), limit 1",
		Outcome: journal.Blocked, Statements: []journal.Statement{{SQL: "DELETE FROM \"orders\"\nWHERE true"}}, Tables: []journal.Table{{Schema: "public", Name: "orders", Rows: 3, Via: journal.Direct}}}
	gone, small := e, e
	gone.Outcome, small.Outcome, small.Alert = journal.Committed, journal.Committed, ""
	return []Notice{
		ofEntry(&e), ofEntry(&gone), ofEntry(&small),
		ofHold(&journal.Hold{ID: e.ID, Time: at, Expires: at.Add(time.Minute), Database: e.Database, User: e.User, Application: e.Application, SQL: e.Statements[0].SQL, What: e.Alert, Rows: 2, AtLeast: true}),
		{Kind: Test, Time: at, id: e.ID, proxy: "here"},
	}
}
