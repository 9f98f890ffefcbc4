package guard

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// askTime bounds what a statement that has run, and holds its locks, waits for the
// journal's word on whether it may stay: evidence is another matter.
const askTime = 3 * time.Second

// allowance finds by whose leave the rows of a verdict may go all the same: a
// comment's, where the rule honours it, or an allowance's, of which it takes
// them. nil: nobody's; then few is of the allowance that comes nearest, if one is too small.
func (r *run) allowance(ctx context.Context, v verdict, removed []journal.Table) (l *journal.Allowed, few *journal.TooFewError, err error) {
	s, need := r.s, underRule(r.s.rules.sheet, v.rule, removed)
	if reason, ok := commented(v.rule, r.st.Text, need); ok {
		return &journal.Allowed{By: s.info.User, How: "comment", Reason: reason}, nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	all, err := s.j.o.Journal.Allowances(ctx, s.j.o.Now())
	if err != nil { // without, the limit stands
		s.j.journalFailed(err)
		s.j.o.Logger.Error("allowances could not be read", "error", err)
		return nil, nil, nil
	}
	for _, a := range s.tx.mine(all) {
		if !covers(a, s.subject(), removed) {
			continue
		}
		use := s.tx.using(a, s.j.o.Now())
		var short *journal.TooFewError
		err := s.j.o.Journal.Use(ctx, a.ID, use, s.tx.removals.under(a.ID)+r.drawn(a.ID, v.rule.Name)+need, s.j.o.Now())
		switch {
		case errors.As(err, &short):
			if few == nil || short.Left > few.Left {
				few = short
			}
			continue
		case errors.Is(err, journal.ErrSpent), errors.Is(err, journal.ErrNotFound):
			continue
		case err != nil:
			s.j.journalFailed(err)
			s.j.o.Logger.Error("an allowance could not be used", "id", a.ID, "error", err)
			return nil, nil, nil
		}
		return &journal.Allowed{By: a.By, How: "allowance", ID: a.ID, Reason: a.Reason}, nil, nil
	}
	return nil, few, nil
}

// honours reports whether a rule takes allowances from comments: it names who may write them.
func honours(rule *policy.Rule) bool { return rule.CommentAllowances && len(rule.Match.Users) > 0 }

// commented reports whether a rule honours an allowance in a statement's comment, for so many rows.
func commented(rule *policy.Rule, sql string, need int64) (reason string, ok bool) {
	if !honours(rule) {
		return "", false
	}
	n, reason, ok := sqlparse.AllowanceComment(sql)
	return reason, ok && need <= n && (rule.CommentMax == 0 || n <= rule.CommentMax)
}

// mayBeAllowed reports whether some leave covers what a probe has found so far.
func (r *run) mayBeAllowed(ctx context.Context, v verdict, removed []journal.Table) bool {
	s, need := r.s, underRule(r.s.rules.sheet, v.rule, removed)
	if _, ok := commented(v.rule, r.st.Text, need); ok {
		return true
	}
	now := s.j.o.Now()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	all, err := s.j.o.Journal.Allowances(ctx, now)
	return err == nil && slices.ContainsFunc(s.tx.mine(all), func(a journal.Allowance) bool {
		return covers(a, s.subject(), removed) && a.Left(now) >= need
	})
}

// unpardoned is how many rows of the transaction count for a rule.
func (r *run) unpardoned(rule *policy.Rule) int64 {
	rm := r.s.tx.removals
	for _, sh := range shares(r.s.rules.sheet, rm.tables, rm.tables) {
		if sh.rule == rule {
			return counted(rule, sh.tx) - rm.pardonedOf(rule, sh.tx)
		}
	}
	return 0
}

// covers reports whether an allowance is for a session, and for a statement
// that removes rows from tables; what they pull along is included.
func covers(a journal.Allowance, who policy.Subject, tables []journal.Table) bool {
	if a.Database != "" && a.Database != who.Database || a.User != "" && a.User != who.User || a.Application != "" && a.Application != who.Application {
		return false
	}
	if len(a.Tables) == 0 {
		return true
	}
	for _, t := range tables {
		if t.Via == journal.Cascade || t.Via == journal.SetNull || t.Via == journal.SetDef {
			continue
		}
		if !policy.MatchesTable(a.Tables, t.Schema, t.Name) {
			return false
		}
	}
	return true
}

// under is how many rows of the transaction went by an allowance's leave.
func (rm *removals) under(id string) int64 {
	for _, a := range rm.allowed {
		if a.ID == id {
			return a.Rows
		}
	}
	return 0
}

// settleUses makes the journal's count of used allowances what the transaction
// came to: committed as it is now, or not at all.
func (s *session) settleUses(ctx context.Context, committed bool) {
	if s.tx == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	for id, u := range s.tx.uses {
		rows := s.tx.removals.under(id)
		var err error
		if committed && rows > 0 {
			err = s.j.o.Journal.Use(ctx, id, u.name, rows, s.j.o.Now())
			if errors.Is(err, journal.ErrSpent) { // it expired or was revoked meanwhile: the number it has stays
				err = nil
			}
			s.j.o.Logger.Info("an allowance was used", "id", id, "rows", rows, "database", s.db.name, "user", s.info.User)
		} else {
			err = s.j.o.Journal.Unuse(ctx, id, u.name)
		}
		if err != nil {
			s.j.journalFailed(err)
			s.j.o.Logger.Error("the use of an allowance could not be settled", "id", id, "error", err)
		}
	}
	s.tx.uses = nil
}

func (j *Judge) journalFailed(err error) {
	j.health.failed(err)
	j.o.Metrics.JournalErrors.Inc()
}
