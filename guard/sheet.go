package guard

import (
	"context"
	"net/netip"
	"slices"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// rules is what of the policy is in force for a session.
type rules struct {
	of      *policy.Policy // nil: not looked at yet
	subject policy.Subject
	sheet   *policy.Sheet
	off     bool // nothing in this session is judged, whatever it calls itself
	updates bool // an UPDATE may count
	columns bool // DROP COLUMN may be refused
	// temporary: temporary tables may count.
	temporary bool
	holds     bool // a statement may be held
	whole     bool // whole rows may be kept
}

// renew brings the session's rules up to the policy in force. Cheap when nothing has changed.
func (s *session) renew() {
	if p := s.j.rules.Load(); p != s.rules.of {
		s.adopt(p)
	}
}

// adopt puts a policy in force for the session. What was prepared when other
// statements mattered is to be looked at again.
func (s *session) adopt(p *policy.Policy) {
	updates, columns := s.rules.updates, s.rules.columns
	s.epoch++ // plans say what rules made of their tables
	s.rules.set(p, s.rules.subject)
	if s.rules.updates && !updates || s.rules.columns && !columns {
		s.prepared.forget()
	}
}

// wake begins to judge a session in which nothing was: at the first message
// outside any transaction; one under way goes on as it began. What is prepared
// on the server is not known yet. false: the message has been forwarded.
func (s *session) wake(ctx context.Context, w proxy.Wire) (bool, error) {
	failed, err := w.Quiesce(ctx)
	if err != nil {
		return false, err
	}
	if failed || !s.alone(w) {
		w.Forward()
		return false, nil
	}
	s.asleep, s.block = false, 0
	s.epoch++
	clear(s.stmts)
	s.forgetPortals()
	s.prepared.forget()
	return true, nil
}

// introduce notes how the session calls itself now.
func (s *session) introduce(w proxy.Wire) {
	if name := w.Parameter("application_name"); name != s.rules.subject.Application {
		s.rules.subject.Application = name
		s.adopt(s.j.rules.Load())
	}
}

func (r *rules) set(p *policy.Policy, who policy.Subject) {
	r.of, r.subject, r.sheet = p, who, p.For(who)
	r.updates = r.sheet.Any(func(x *policy.Rule) bool {
		return x.Mode != policy.Off && (x.Updates || len(x.SoftDelete) > 0 || x.Refuses(policy.Update))
	})
	r.whole = r.sheet.Any(func(x *policy.Rule) bool { return x.Mode != policy.Off && x.Capture == policy.CaptureRows })
	r.holds = r.sheet.Any(func(x *policy.Rule) bool { return x.Mode == policy.Hold })
	r.temporary = r.sheet.Any(func(x *policy.Rule) bool { return x.Mode != policy.Off && x.Temporary })
	r.columns = r.sheet.Any(func(x *policy.Rule) bool { return x.Mode != policy.Off && x.Refuses(policy.DropColumn) })
	// A name that the session may change at any time decides nothing here.
	r.off = !r.sheet.Any(func(x *policy.Rule) bool { return x.Mode != policy.Off })
	for i := range p.Rules {
		r.off = r.off && len(p.Rules[i].Match.Applications) == 0
	}
}

// strict is the rule for what no table is known of: the first by which it could
// be refused, else the one without a table.
func (r *rules) strict() *policy.Rule {
	var found *policy.Rule
	if r.sheet.Any(func(x *policy.Rule) bool {
		found = x
		return refuses(x.Mode) && x.Uncountable != policy.Allow
	}) {
		return found
	}
	return r.sheet.Rule("", "")
}

// refusing is the rule for a statement of a kind that says of no table that it
// is aimed at it: the first by which it could be refused, else the one without a table.
func (r *rules) refusing(verb policy.Verb) *policy.Rule {
	var found *policy.Rule
	if r.sheet.Any(func(x *policy.Rule) bool {
		found = x
		return x.Mode != policy.Off && x.Refuses(verb)
	}) {
		return found
	}
	return r.sheet.Rule("", "")
}

func refuses(m policy.Mode) bool { return m == policy.Block || m == policy.Hold }

// subjectOf is a session in the policy's terms.
func subjectOf(info proxy.Info) policy.Subject {
	s := policy.Subject{Database: info.Database, User: info.User, Application: info.Application}
	if at, err := netip.ParseAddrPort(info.Client); err == nil {
		s.Address = at.Addr()
	}
	return s
}

// policed is an analysis with the statements that only this session's rules make matter.
func (s *session) policed(a *analysis) *analysis {
	if !(s.rules.updates && a.updates || s.rules.columns && slices.ContainsFunc(a.stmts, func(st judged) bool { return st.DropsColumn })) {
		return a
	}
	own := &analysis{stmts: append([]judged(nil), a.stmts...)}
	for i := range own.stmts {
		s.rules.police(&own.stmts[i])
	}
	return own
}

// police gives a statement the route that these rules ask for.
func (r *rules) police(st *judged) {
	switch {
	case st.route != routePlain || st.OutsideTransaction:
	case r.columns && st.DropsColumn:
		st.route, st.why = routeCount, "ALTER TABLE … DROP COLUMN"
	case r.updates && st.Update != nil && !st.Update.Others: // judged as a DELETE is
		st.route, st.Target, st.Only, st.Returning = routeCapture, st.Update.Target, st.Update.Only, st.Update.Returning
	case r.updates && st.UpdatesInside:
		st.route, st.why = routeCount, "an UPDATE inside another statement"
	}
}

// updating are the words of which a statement that updates has one.
var updating = sqlparse.NewNames(map[string]bool{"update": true})
