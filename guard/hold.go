package guard

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

const (
	holdFor   = 10 * time.Minute       // where the rule does not say
	holdEvery = 200 * time.Millisecond // how often the journal is asked for an answer
)

// hold makes the statement wait for an operator's word. errFailed: it is
// refused, and the client told.
func (r *run) hold(ctx context.Context, v verdict, removed []journal.Table) error {
	s := r.s
	h := s.holdOf(r, v)
	if err := s.j.o.Journal.Hold(ctx, h); err != nil {
		s.j.journalFailed(err)
		s.j.unjournalled(err)
		if err := s.tx.rewind(r.mark); err != nil {
			return err
		}
		return s.refuse(ctx, r.w, noEvidenceError())
	}
	if err := r.w.Reply('N', noticeBody(heldNotice(h))); err != nil {
		return r.left(ctx, h, err)
	}
	s.j.held(h)
	answer := h
	err := r.w.Pause(ctx, holdEvery, func(ctx context.Context) bool {
		answer = s.j.answer(ctx, h)
		return answer.State != journal.Waiting
	})
	if err != nil {
		return r.unanswered(ctx, h, v, removed, err)
	}
	s.j.o.Logger.Info("hold decided", "id", h.ID, "state", answer.State, "by", answer.By, "reason", answer.Reason)
	switch answer.State {
	case journal.Granted:
		r.answer(v, &journal.Allowed{By: answer.By, How: "hold", ID: h.ID, Reason: answer.Reason}, removed)
		return nil
	case journal.Left: // see Canceled
		return r.canceled(ctx)
	}
	x := refusal{verb: r.verb(), verdict: v, sql: r.st.Text, tables: removed, need: r.needed(removed), id: h.ID}
	switch answer.State {
	case journal.Denied:
		x.denied = answer.By
		x.what += "; denied by " + answer.By
		if answer.Reason != "" {
			x.what += ": " + answer.Reason
		}
		x.hint = "Ask " + answer.By + ", who denied it"
	default:
		x.what += fmt.Sprintf("; nobody allowed it within %s", span(h.Expires.Sub(h.Time)))
		x.hint = "Run it again when an operator is there to allow it"
		if v.limit != notRows {
			x.hint += ", or ask for an allowance: " + x.command(s.subject())
		}
	}
	return s.blocked(ctx, r.w, r.mark, x)
}

func (s *session) holdOf(r *run, v verdict) *journal.Hold {
	now := s.j.o.Now().UTC()
	wait := v.rule.HoldFor
	if wait <= 0 {
		wait = holdFor
	}
	var one removals
	one.add(r.st.Text, "")
	return &journal.Hold{
		ID: journal.NewID(now), Time: now, Expires: now.Add(wait), State: journal.Waiting,
		Database: s.info.Database, User: s.info.User, Application: s.rules.application, Client: s.info.Client, Proxy: s.j.o.Proxy,
		SQL: one.statements()[0].SQL, What: r.verb() + " " + v.what, Rows: counted(v.rule, v.share), AtLeast: v.atLeast, Uncounted: v.uncounted, Rule: v.rule.Name,
		CancelKey: s.info.CancelKey,
	}
}

// answer is how far a hold has come, by the journal and the clock. Where the
// journal cannot be read, or is silent, it goes on waiting.
func (j *Judge) answer(ctx context.Context, h *journal.Hold) *journal.Hold {
	ctx, cancel := context.WithTimeout(ctx, askTime) // meanwhile nobody looks whether the client is there
	defer cancel()
	now := j.o.Now()
	if !now.Before(h.Expires) {
		late, err := j.o.Journal.Decide(ctx, h.ID, journal.Expired, "", "", now)
		if late != nil && (err == nil || errors.Is(err, journal.ErrDecided)) {
			return late
		}
		gone := *h
		gone.State = journal.Expired
		return &gone
	}
	if is, err := j.o.Journal.HoldByID(ctx, h.ID); err == nil {
		return is
	}
	return h
}

// unanswered ends a hold that the client, a peer or the proxy's end has cut short.
func (r *run) unanswered(ctx context.Context, h *journal.Hold, v verdict, removed []journal.Table, cause error) error {
	err := r.left(ctx, h, cause)
	switch {
	case errors.Is(cause, proxy.ErrCanceled):
		return r.canceled(ctx)
	case errors.Is(cause, proxy.ErrDraining):
		x := refusal{verb: r.verb(), verdict: v, sql: r.st.Text, tables: removed, id: h.ID, hint: "Run it again in a moment"}
		x.what += "; nobody had allowed it when the proxy was shut down"
		return r.s.blocked(ctx, r.w, r.mark, x)
	}
	return err
}

func (r *run) canceled(ctx context.Context) error {
	if err := r.s.tx.rewind(r.mark); err != nil {
		return err
	}
	r.s.recountWindows()
	return r.s.refuse(ctx, r.w, canceledError())
}

// Canceled implements proxy.Canceler: a statement that another proxy holds is told
// by the journal, if that is shared, that its client does not want it any more.
func (j *Judge) Canceled(ctx context.Context, key string) {
	waiting, err := j.o.Journal.Holds(ctx, journal.Waiting)
	for _, h := range waiting {
		if err == nil && h.CancelKey == key {
			_, err = j.o.Journal.Decide(ctx, h.ID, journal.Left, "", "canceled by the client", j.o.Now())
		}
	}
	if err != nil && !errors.Is(err, journal.ErrDecided) {
		j.o.Logger.Warn("a held statement may not hear of its client's cancel request", "error", err)
	}
}

// left notes that nobody waits for an answer any more, and returns cause.
func (r *run) left(ctx context.Context, h *journal.Hold, cause error) error {
	j := r.s.j
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), askTime) // it still holds its locks
	defer cancel()
	if _, err := j.o.Journal.Decide(ctx, h.ID, journal.Left, "", cause.Error(), j.o.Now()); err != nil && !errors.Is(err, journal.ErrDecided) {
		j.o.Logger.Warn("the end of a hold could not be recorded", "id", h.ID, "error", err)
	}
	return cause
}

// held tells people of a statement that waits for them.
func (j *Judge) held(h *journal.Hold) {
	j.o.Logger.Warn("a statement is held", "id", h.ID, "what", h.What, "database", h.Database, "user", h.User,
		"application", h.Application, "client", h.Client, "until", h.Expires)
	j.o.Alerts.Hold(h)
}

func heldNotice(h *journal.Hold) *pgproto3.NoticeResponse {
	return &pgproto3.NoticeResponse{
		Severity: "NOTICE", SeverityUnlocalized: "NOTICE", Code: codeHeld,
		Message: h.What + "; it waits for an operator",
		Detail:  fmt.Sprintf("It is refused at %s unless someone allows it. Reference: %s", h.Expires.Format(time.RFC3339), h.ID),
		Hint:    fmt.Sprintf("An operator answers with \"rowback allow %[1]s\" or \"rowback deny %[1]s\".", h.ID),
	}
}

func noticeBody(n *pgproto3.NoticeResponse) []byte {
	e := pgproto3.ErrorResponse(*n)
	return errorBody(&e)
}
