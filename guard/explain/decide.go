package explain

import (
	"fmt"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/sqlparse"
)

// decide says what is known before the statement runs.
func (x *explainer) decide(st sqlparse.Statement) {
	aimed := []*policy.Rule{}
	judged := false
	for _, t := range x.out.Tables {
		if t.aim {
			aimed = append(aimed, t.rule)
		}
		if t.rule.Mode != policy.Off {
			judged = judged || x.counts(st, t)
			x.comment(st, t.rule)
		}
	}
	if len(aimed) == 0 {
		aimed = append(aimed, x.sheet.Rule("", ""))
	}
	for _, r := range aimed {
		x.stop(r, forbidden(st, r))
	}
	x.uncountable(st)
	switch {
	case x.out.Outcome != "":
	case judged:
		x.out.Outcome, x.out.Why = Judged, "by the rows that it removes, when they are known: over a limit "+over(x.out.Tables)
	case st.Update != nil || st.UpdatesInside:
		x.out.Outcome, x.out.Why = Plain, "no rule counts what this updates"
	case st.DropsColumn:
		x.out.Outcome, x.out.Why = Plain, "no rule refuses it"
	default:
		x.out.Outcome, x.out.Why = Plain, "the rules for its tables are off"
	}
}

// stop notes why a rule stops the statement; the strictest rule's word stands.
func (x *explainer) stop(r *policy.Rule, why string) {
	rank := map[Outcome]int{Alerted: 1, Held: 2, Refused: 3}
	o := map[policy.Mode]Outcome{policy.Block: Refused, policy.Hold: Held, policy.Alert: Alerted}[r.Mode]
	if why != "" && rank[o] > rank[x.out.Outcome] {
		x.out.Outcome, x.out.Why = o, why
	}
}

// forbidden says why a rule stops a statement whatever it removes, "" if it does not.
func forbidden(st sqlparse.Statement, r *policy.Rule) string {
	switch v := policy.VerbOf(st); {
	case v == policy.DropColumn && r.Refuses(v):
		return fmt.Sprintf("the rule %q refuses %s where the table has rows", r.Name, v)
	case v != "" && r.Refuses(v):
		return fmt.Sprintf("the rule %q refuses %s", r.Name, v)
	case r.WhereRequired && st.Verb == sqlparse.Delete && !st.Where,
		r.WhereRequired && st.Update != nil && r.Updates && !st.Update.Where:
		return fmt.Sprintf("the rule %q requires a WHERE that names a column", r.Name)
	}
	return ""
}

// uncountable: what is over before it could be judged.
func (x *explainer) uncountable(st sqlparse.Statement) {
	commits := st.Verb == sqlparse.Do && st.CommitsItself
	if st.Verb == sqlparse.Call && st.CommitsItself {
		if x.o.Catalog == nil {
			x.note("if the procedure commits by itself and may remove rows, it is refused where uncountable is block")
		} else {
			commits = len(sqlparse.NewNames(x.o.Catalog.Reach.Commits).Mentions([]byte(st.Text))) > 0
		}
	}
	if !commits && !(st.OutsideTransaction && st.Verb == sqlparse.Drop) {
		return
	}
	x.sheet.Any(func(r *policy.Rule) bool {
		if r.Uncountable != policy.Refuse || r.Mode != policy.Block && r.Mode != policy.Hold {
			return false
		}
		x.out.Outcome, x.out.Why = Refused, fmt.Sprintf("the rule %q refuses what cannot be counted before it commits (uncountable: block)", r.Name)
		return true
	})
}

// counts: rows that the statement takes from the table count.
func (x *explainer) counts(st sqlparse.Statement, t Table) bool {
	if st.Update == nil {
		return !st.DropsColumn && (st.Verb != sqlparse.Plain || !st.UpdatesInside || t.rule.Updates || len(t.rule.SoftDelete) > 0)
	}
	if t.rule.Updates {
		return true
	}
	for _, set := range st.Update.Sets {
		for _, column := range t.rule.SoftDelete {
			if set.Column == column && !set.Clears {
				x.note("setting %s counts as deleting", column)
				return true
			}
		}
	}
	return false
}

// comment is about the allowance that the statement asks for itself.
func (x *explainer) comment(st sqlparse.Statement, r *policy.Rule) {
	n, _, ok := sqlparse.AllowanceComment(st.Text)
	switch {
	case !ok:
	case !r.CommentAllowances:
		x.note("the comment allows nothing: the rule %q does not honour it", r.Name)
	case r.CommentMax > 0 && n > r.CommentMax:
		x.note("the comment allows nothing: it asks for %d rows, and the rule %q honours up to %d", n, r.Name, r.CommentMax)
	default:
		x.note("the comment allows up to %d rows, by the rule %q", n, r.Name)
	}
}

// over says what happens over a limit, by the modes of the rules.
func over(tables []Table) string {
	words := map[policy.Mode]string{
		policy.Block: "it is refused", policy.Hold: "it is held until somebody decides", policy.Alert: "it goes through, and people are told",
	}
	var said []string
	for _, m := range []policy.Mode{policy.Block, policy.Hold, policy.Alert} {
		for _, t := range tables {
			if t.rule.Mode == m {
				said = append(said, words[m])
				break
			}
		}
	}
	if len(said) > 1 {
		return "of the rule concerned " + strings.Join(said, ", or ")
	}
	return strings.Join(said, "")
}
