package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/rowback/rowback/journal"
)

// The API, version 1. What it prints is what the commands print with --output json,
// but for what became of an entry since, which is not looked up here, beside the sessions:
//
//	GET  /api/v1/entries        filters of `rowback log` as parameters, and limit (100)
//	GET  /api/v1/entries/{id}
//	GET  /api/v1/holds          statements that wait; all=true: others too
//	POST /api/v1/holds/{id}     {"answer": "allow" or "deny", "reason": …, "by": …}
//
// Reading takes a token, or a client certificate; answering takes the acting token.
type api struct{ journal journal.Journal }

func (a api) handle(mux *http.ServeMux, who askers) {
	mux.HandleFunc("GET /api/v1/entries", who.private(a.entries))
	mux.HandleFunc("GET /api/v1/entries/{id}", who.private(a.entry))
	mux.HandleFunc("GET /api/v1/holds", who.private(a.holds))
	mux.HandleFunc("POST /api/v1/holds/{id}", who.acting(a.answer))
}

// mostEntries bounds one answer.
const mostEntries = 10_000

func (a api) entries(w http.ResponseWriter, q *http.Request) {
	given := q.URL.Query()
	var f filterFlags
	limit := int64(100)
	for name, to := range map[string]*string{"since": &f.since, "until": &f.until, "table": &f.table, "user": &f.user,
		"database": &f.database, "application": &f.application, "kind": &f.kind, "outcome": &f.outcome} {
		*to = given.Get(name)
		given.Del(name)
	}
	for name, to := range map[string]*int64{"min-rows": &f.minRows, "limit": &limit} {
		if err := number(given, name, to); err != nil {
			fail(w, http.StatusBadRequest, err)
			return
		}
	}
	filter, err := f.filter(time.Now())
	switch {
	case err != nil:
	case len(given) > 0:
		err = errors.New("unknown parameter " + given.Encode())
	case limit < 1 || limit > mostEntries:
		err = errors.New("limit is 1 to " + strconv.Itoa(mostEntries))
	}
	if err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	lines := jsonLines(w)
	for e, err := range a.journal.Entries(q.Context(), filter) {
		if err == nil {
			err = printJSON(q.Context(), lines, a.journal, e, e, false)
		}
		if err != nil {
			panic(http.ErrAbortHandler) // the answer has begun: it is cut off
		}
		if limit--; limit == 0 {
			break
		}
	}
	_ = lines.Flush() // nobody left to tell
}

func number(given url.Values, name string, to *int64) (err error) {
	if text := given.Get(name); text != "" {
		if *to, err = strconv.ParseInt(text, 10, 64); err != nil {
			return errors.New(name + " is no number")
		}
	}
	given.Del(name)
	return nil
}

func (a api) entry(w http.ResponseWriter, q *http.Request) {
	e, err := a.journal.Entry(q.Context(), q.PathValue("id"))
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	lines := jsonLines(w)
	if err := printJSON(q.Context(), lines, a.journal, e, e, false); err == nil {
		_ = lines.Flush()
	}
}

func (a api) holds(w http.ResponseWriter, q *http.Request) {
	state := journal.Waiting
	if q.URL.Query().Get("all") == "true" {
		state = ""
	}
	list, err := a.journal.Holds(q.Context(), state)
	if err != nil {
		fail(w, statusOf(err), err)
		return
	}
	lines, now := jsonLines(w), time.Now()
	for _, h := range list {
		if h.State = h.StateAt(now); state == "" || h.State == state {
			h.CancelKey = "" // whose it is, is for proxies
			if printLineJSON(lines, h) != nil {
				return
			}
		}
	}
	_ = lines.Flush()
}

func (a api) answer(w http.ResponseWriter, q *http.Request) {
	if kind, _, _ := mime.ParseMediaType(q.Header.Get("Content-Type")); kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, errors.New("send application/json"))
		return
	}
	var given struct{ Answer, Reason, By string }
	d := json.NewDecoder(http.MaxBytesReader(w, q.Body, 1<<16))
	d.DisallowUnknownFields()
	if err := d.Decode(&given); err != nil {
		fail(w, http.StatusBadRequest, err)
		return
	}
	state, ok := map[string]journal.HoldState{"allow": journal.Granted, "deny": journal.Denied}[given.Answer]
	if !ok {
		fail(w, http.StatusBadRequest, errors.New(`answer is "allow" or "deny"`))
		return
	}
	by := "API"
	if given.By != "" {
		by = given.By + " (API)"
	}
	now := time.Now()
	h, err := a.journal.Decide(q.Context(), q.PathValue("id"), state, by, given.Reason, now)
	switch {
	case errors.Is(err, journal.ErrDecided) && h != nil:
		fail(w, http.StatusConflict, tooLate(h))
		return
	case err != nil:
		fail(w, statusOf(err), err)
		return
	}
	lines := jsonLines(w)
	h.CancelKey = ""
	if printLineJSON(lines, *h) == nil {
		_ = lines.Flush()
	}
}

func jsonLines(w http.ResponseWriter) *bufio.Writer {
	w.Header().Set("Content-Type", "application/x-ndjson")
	w.Header().Set("Cache-Control", "no-store")
	return bufio.NewWriter(w)
}

func statusOf(err error) int {
	switch {
	case errors.Is(err, journal.ErrNotFound), errors.Is(err, journal.ErrAmbiguous):
		return http.StatusNotFound
	case errors.Is(err, journal.ErrDecided):
		return http.StatusConflict
	}
	return http.StatusServiceUnavailable
}

// fail answers with an error, as JSON.
func fail(w http.ResponseWriter, status int, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"error": err.Error()})
}
