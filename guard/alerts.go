package guard

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/rowback/rowback/journal"
)

// Alerts delivers entries that are over the limit to a webhook, off the
// sessions' path: a full queue drops the alert, and counts it.
type Alerts struct {
	url     string
	client  *http.Client
	queue   chan *journal.Entry
	metrics *Metrics
	logger  *slog.Logger
	backoff time.Duration // before the second attempt; doubled after each
	grace   time.Duration
}

// notice is the webhook's JSON body.
type notice struct {
	Text  string         `json:"text"` // one line for people; Slack-compatible
	Entry *journal.Entry `json:"entry"`
}

const (
	alertQueue    = 256
	alertAttempts = 6
	// alertGrace bounds what is still tried once Run is told to end.
	alertGrace = 5 * time.Second
)

// NewAlerts makes a webhook's queue; Run delivers.
func NewAlerts(url string, m *Metrics, l *slog.Logger) *Alerts {
	return &Alerts{
		url: url, client: &http.Client{Timeout: 10 * time.Second}, queue: make(chan *journal.Entry, alertQueue),
		metrics: m, logger: l, backoff: 500 * time.Millisecond, grace: alertGrace,
	}
}

// Run delivers until ctx ends; then each alert still queued is tried once more,
// for a few seconds in all.
func (a *Alerts) Run(ctx context.Context) {
	// A post under way when ctx ends is not cut off, but bounded with the rest.
	last, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(a.grace, cancel) })()
	for {
		select {
		case e := <-a.queue:
			a.deliver(ctx, last, e)
			continue
		default:
		}
		select {
		case <-ctx.Done():
			return
		case e := <-a.queue:
			a.deliver(ctx, last, e)
		}
	}
}

// deliver tries until it succeeds, but once only after ctx has ended, and not
// at all after last has.
func (a *Alerts) deliver(ctx, last context.Context, e *journal.Entry) {
	wait := a.backoff
	for attempt := 1; ; attempt++ {
		err := a.post(last, e)
		if err == nil || attempt == alertAttempts || ctx.Err() != nil {
			a.result(e, err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			wait *= 2
		}
	}
}

func (a *Alerts) result(e *journal.Entry, err error) {
	if err != nil {
		a.metrics.AlertsSent.WithLabelValues("failed").Inc()
		a.logger.Error("alert could not be delivered", "id", e.ID, "error", err)
		return
	}
	a.metrics.AlertsSent.WithLabelValues("sent").Inc()
}

func (a *Alerts) post(ctx context.Context, e *journal.Entry) error {
	body, err := json.Marshal(notice{Text: alertText(e), Entry: e})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("webhook answered %s", resp.Status)
	}
	return nil
}

func alertText(e *journal.Entry) string {
	text := fmt.Sprintf("rowback: %s %s: %s, by %s on %s (reference %s)", e.Outcome, e.Database, e.Alert, e.User, e.Client, e.ID)
	if without := keyless(e.Tables); e.Outcome == journal.Committed && len(without) > 0 {
		text += fmt.Sprintf("; the keys of %s are not recorded: %s", rowsOf(without), without[0].Why)
	}
	return text
}

// raise tells people of an entry over the limit: log, metric, webhook.
func (j *Judge) raise(e *journal.Entry) {
	j.o.Logger.Warn("mass deletion", "outcome", e.Outcome, "id", e.ID, "what", e.Alert, "rows", e.Rows,
		"database", e.Database, "user", e.User, "application", e.Application, "client", e.Client)
	j.o.Metrics.Alerts.WithLabelValues(e.Database, string(e.Outcome)).Inc()
	if j.o.Alerts == nil {
		return
	}
	select {
	case j.o.Alerts.queue <- e:
	default:
		j.o.Metrics.AlertsSent.WithLabelValues("dropped").Inc()
		j.o.Logger.Error("alert queue is full; alert dropped", "id", e.ID)
	}
}
