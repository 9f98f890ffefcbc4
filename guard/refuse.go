package guard

import (
	"context"
	"errors"
	"log/slog"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// refuse dooms the open transaction and gives the client the error in place of
// the statement's answers. It returns errFailed, as a failed statement does.
// Only after Quiesce.
func (s *session) refuse(ctx context.Context, w proxy.Wire, e *pgproto3.ErrorResponse) error {
	if err := doom(ctx, w, e.Code+" "+e.Detail); err != nil {
		return err
	}
	return told(w, e)
}

// told gives the client the error of a transaction that is doomed.
func told(w proxy.Wire, e *pgproto3.ErrorResponse) error {
	if err := w.Reply('E', errorBody(e)); err != nil {
		return err
	}
	return errFailed
}

// doom makes the server fail the open transaction, implicit or not: it
// executes a portal that does not exist, whose name is what the server logs.
func doom(ctx context.Context, w proxy.Wire, why string) error {
	defer w.Unmute(w.Mute(own))
	w.Send('E', executeBody("rowback: "+why))
	w.Send('H', nil)
	for {
		typ, _, err := w.Receive(ctx)
		if err != nil {
			return err
		}
		if typ == 'E' {
			return nil
		}
	}
}

// fault reports a failed injected query: the server has failed the transaction,
// the client must know. What earlier statements removed stays noted: a savepoint
// may bring it back to life.
func (s *session) fault(w proxy.Wire, err error) error {
	s.litter = true
	level, body := slog.LevelError, errorBody(faultError(err))
	if e := (*serverError)(nil); errors.As(err, &e) && e.clients() {
		level, body = slog.LevelInfo, e.body
	}
	s.j.o.Logger.Log(context.Background(), level, "statement could not be judged", "database", s.db.name, "user", s.info.User, "error", err)
	if err := w.Reply('E', body); err != nil {
		return err
	}
	return errFailed
}

// blocked refuses a statement: what it did is taken back with its transaction,
// which is journalled as blocked.
func (s *session) blocked(ctx context.Context, w proxy.Wire, mark savepoint, x refusal) error {
	if s.tx != nil {
		if err := s.tx.rewind(mark); err != nil {
			return err
		}
	}
	e := s.blockedEntry(x)
	answer := x.error(e.ID, s.subject())
	err := doom(ctx, w, answer.Code+" "+answer.Detail)
	s.noteBlocked(ctx, e, x.denied) // its locks are free: the journal may take its time
	s.recountWindows()              // its block may stay open for long
	if err != nil {
		return err
	}
	return told(w, answer)
}

// blockedEntry is the entry of what is refused.
func (s *session) blockedEntry(x refusal) *journal.Entry {
	e := s.entry(journal.Blocked)
	if x.id != "" {
		e.ID = x.id
	}
	if e.Alert = x.verb + " " + x.what; x.rule != nil {
		e.Rule = x.rule.Name
	}
	var r removals
	r.add(x.sql, "")
	e.Statements, e.Tables, e.Rows = r.statements(), x.tables, total(x.tables)
	for i := range e.Tables { // nothing was removed, so nothing is kept
		e.Tables[i].KeysCaptured = false
		image{}.note(&e.Tables[i])
	}
	return e
}

// noteBlocked journals what is refused, and raises the alarm. denied: by whom it was; "": nobody did.
func (s *session) noteBlocked(ctx context.Context, e *journal.Entry, denied string) {
	if err := s.j.o.Journal.Append(ctx, e, nil); err != nil { // nothing is removed: refuse all the same
		s.j.health.failed(err)
		s.j.o.Metrics.JournalErrors.Inc()
		s.j.o.Logger.Error("a blocked statement could not be journalled", "id", e.ID, "error", err)
	}
	s.j.o.Metrics.blocked(e)
	s.j.raise(e, denied)
}

// entry makes an entry with what the session knows.
func (s *session) entry(o journal.Outcome) *journal.Entry {
	now := s.j.o.Now().UTC()
	return &journal.Entry{
		ID: journal.NewID(now), Time: now, Kind: journal.Deletion, Outcome: o,
		Database: s.info.Database, User: s.info.User, Application: s.rules.application, Client: s.info.Client,
		Proxy: s.j.o.Proxy,
	}
}
