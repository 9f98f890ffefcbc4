package alert

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// echo answers with all that it was sent, as an error page may.
func echo(t *testing.T) *httptest.Server {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		auth := fmt.Sprint(q.Header.Get("Authorization"), " ", q.Header.Get("X-Key"), " ")
		fmt.Fprint(w, q.URL.RequestURI(), " ", auth)
		_, _ = io.Copy(w, q.Body)
	}))
	t.Cleanup(s.Close)
	return s
}

func TestMask_NoSecretInLogOrError(t *testing.T) {
	e := echo(t)
	closed := httptest.NewServer(nil)
	closed.Close()
	headers := map[string]Secret{"Authorization": "Bearer HUSH-token", "X-Key": "HUSH"}
	var sinks []Sink
	for _, base := range []string{e.URL, closed.URL, "http://no-such-host.invalid"} {
		at := strings.Replace(base, "//", "//me:HUSH-password@", 1)
		sinks = append(sinks,
			Sink{To: Webhook{URL: Secret(at + "/services/HUSH-path?token=HUSH-query"), Headers: headers}},
			Sink{To: Slack{URL: Secret(base + "/services/T0/HUSH-path"), Headers: headers}},
			Sink{To: Alertmanager{URL: Secret(at), Headers: headers}},
			Sink{To: PagerDuty{URL: Secret(base), RoutingKey: "HUSH-key", Headers: headers}},
		)
	}
	sinks = append(sinks, Sink{To: script(`echo "$1" >&2; exit 1`, "HUSH-argument")})
	a := run(t, Options{}, sinks...)
	a.Entry(blocked("u"))
	for _, r := range a.Test(t.Context()) {
		if r.Error == nil || strings.Contains(fmt.Sprintf("%s %v %+v", r.To, r.Error, r), "HUSH") {
			t.Errorf("%s: %v", r.To, r.Error)
		}
	}
	a.end()
	if log := a.log.String(); strings.Contains(log, "HUSH") || strings.Count(log, "could not be delivered") != len(sinks) {
		t.Error(log)
	}
	if text := fmt.Sprintf("%v %+v %#v", sinks, sinks, sinks); strings.Contains(text, "HUSH") {
		t.Error(text)
	}
	if text, err := json.Marshal(sinks[0]); err != nil || strings.Contains(string(text), "HUSH") {
		t.Errorf("%s, %v", text, err)
	}
}

// What the other side says helps, unless it may repeat the statement.
func TestMask_AnswerShownWithoutStatement(t *testing.T) {
	e := echo(t)
	for _, sql := range []bool{false, true} {
		s := Sink{To: Webhook{URL: Secret(e.URL)}, SQL: sql}
		s = Config{Sinks: []Sink{s}}.completed()[0]
		n := ofEntry(blocked("u"))
		err := s.try(t.Context(), &n)
		if err == nil || strings.Contains(err.Error(), "SECRET-ROW") || strings.Contains(err.Error(), `"kind"`) == sql || !strings.Contains(err.Error(), "400 Bad Request") {
			t.Errorf("sql: %v: %v", sql, err)
		}
	}
}
