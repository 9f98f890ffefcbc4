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
	of          *policy.Policy // nil: not looked at yet
	application string         // what the session called itself
	sheet       *policy.Sheet
	// marks are the columns whose setting may count; nil: it does not matter which are set.
	marks   []string
	marked  *sqlparse.Names // the marks of the whole policy: a text without one sets none
	off     bool            // nothing in this session is judged, whatever it calls itself
	updates bool            // an UPDATE may count
	columns bool            // DROP COLUMN may be refused
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
	before := s.rules
	s.epoch++ // plans say what rules made of their tables
	s.rules.set(p, s.j.marked(p), s.subject())
	if s.rules.updates && !(before.updates && slices.Equal(before.marks, s.rules.marks)) || s.rules.columns && !before.columns {
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
	if name := w.Parameter("application_name"); name != s.rules.application {
		s.rules.application = name
		s.adopt(s.j.rules.Load())
	}
}

// marked are the columns that mark rows as deleted, by any rule of a policy.
func (j *Judge) marked(p *policy.Policy) *sqlparse.Names {
	if m := j.marks.Load(); m != nil && m.of == p {
		return m.names
	}
	columns := map[string]bool{}
	for _, x := range append([]policy.Rule{p.Default}, p.Rules...) {
		for _, c := range x.SoftDelete {
			columns[c] = true
		}
	}
	m := &marks{p, sqlparse.NewNames(columns)}
	j.marks.Store(m)
	return m.names
}

// marks are what marked has found.
type marks struct {
	of    *policy.Policy
	names *sqlparse.Names
}

func (r *rules) set(p *policy.Policy, marked *sqlparse.Names, who policy.Subject) {
	r.of, r.marked, r.application, r.sheet = p, marked, who.Application, p.For(who)
	r.marks = nil
	any := r.sheet.Any(func(x *policy.Rule) bool {
		if x.Mode != policy.Off {
			r.marks = append(r.marks, x.SoftDelete...)
		}
		return x.Mode != policy.Off && (x.Updates || x.Refuses(policy.Update))
	})
	if r.updates = any || len(r.marks) > 0; any {
		r.marks = nil
	}
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

func (s *session) subject() policy.Subject { return subjectOf(s.info, s.rules.application) }

// subjectOf is a session in the policy's terms, by what it calls itself now.
func subjectOf(info *proxy.Info, application string) policy.Subject {
	s := policy.Subject{Database: info.Database, User: info.User, Application: application}
	if at, err := netip.ParseAddrPort(info.Client); err == nil {
		s.Address = at.Addr()
	}
	return s
}

// policed is an analysis with the statements that only this session's rules make matter.
func (s *session) policed(a *analysis) *analysis {
	if !s.rules.concern(a) {
		return a
	}
	own := &analysis{stmts: append([]judged(nil), a.stmts...)}
	for i := range own.stmts {
		s.rules.police(&own.stmts[i])
	}
	return own
}

// concern reports whether statements matter by these rules that else do not.
func (r *rules) concern(a *analysis) bool {
	return (r.updates && a.updates || r.columns) && slices.ContainsFunc(a.stmts, func(st judged) bool { return r.columns && st.DropsColumn || r.counts(&st) })
}

// updating reports whether a text may have an UPDATE that counts.
func (r *rules) updating(text []byte) bool {
	return r.updates && updating.Scan(text) && (r.marks == nil || r.marked.Scan(text))
}

// counts reports whether a statement has an UPDATE that may count.
func (r *rules) counts(st *judged) bool {
	if r.marks == nil || st.Update == nil || st.Update.Others {
		return r.updates && (st.Update != nil || st.UpdatesInside)
	}
	return slices.ContainsFunc(st.Update.Sets, func(set sqlparse.Set) bool { return slices.Contains(r.marks, set.Column) })
}

// police gives a statement the route that these rules ask for.
func (r *rules) police(st *judged) {
	switch {
	case st.route != routePlain || st.OutsideTransaction:
	case r.columns && st.DropsColumn:
		st.route, st.why = routeCount, "ALTER TABLE … DROP COLUMN"
	case !r.counts(st):
	case st.Update != nil && !st.Update.Others: // judged as a DELETE is
		st.route, st.Target, st.Only, st.Returning = routeCapture, st.Update.Target, st.Update.Only, st.Update.Returning
	case st.UpdatesInside:
		st.route, st.why = routeCount, "an UPDATE inside another statement"
	}
}

// updating are the words of which a statement that updates has one.
var updating = sqlparse.NewNames(map[string]bool{"update": true})
