package guard

import (
	"fmt"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// reason is what kind of thing is wrong with a statement: it says what its
// author can do.
type reason int

const (
	tooMany       reason = iota // rows in the statement, or the transaction
	crowded                     // rows in a window
	tooGreatAPart               // of a table
	refusedVerb
	noCondition
	unrecorded  // rows without a key
	uncountable // rows
	madePast    // uncountable, of a table that was made past the proxy
	hiddenBySnapshot
)

// advice is what to do next. It names an allowance only where one helps.
func (x refusal) advice(who policy.Subject) string {
	if x.hint != "" {
		return x.hint
	}
	switch x.reason {
	case refusedVerb:
		return "No allowance lifts this: ask an operator to change the rule"
	case noCondition:
		return "Add a WHERE that names a column; no allowance lifts this"
	case unrecorded:
		return unrecordedAdvice(x.tables) + ", or ask an operator for " + x.leave("uncaptured")
	case uncountable:
		return "Ask an operator for " + x.leave("uncountable")
	case hiddenBySnapshot:
		return "Run it at READ COMMITTED or as the table's owner, or ask an operator for " + x.leave("uncountable")
	case madePast:
		return "Run it again in half a minute: one of these was made past rowback, which has yet to look at it"
	}
	ask := "ask an operator for an allowance: " + x.command(who) + x.comment()
	if x.few {
		ask += ". Take more than it needs now: rows may have been added by then"
	}
	switch verb := capital(x.verb); {
	case x.verb != "DELETE" && x.verb != "UPDATE":
	case x.reason == crowded:
		return "Wait until fewer rows fall into that time, or " + ask
	case x.reason == tooGreatAPart:
		return fmt.Sprintf("%s at most %s of the table in one statement, or %s", verb, percent(x.rule.Fraction), ask)
	case x.least() > 0:
		return fmt.Sprintf("%s in separate transactions of at most %d rows, or %s", verb, x.least(), ask)
	}
	return capital(ask)
}

// leave is the setting that lets it through, and where it stands.
func (x refusal) leave(setting string) string {
	if x.rule == nil || x.rule.Name == policy.DefaultName {
		return fmt.Sprintf("%s: allow in rowback's configuration file, which the proxy takes over on SIGHUP, or --%[1]s allow when it starts", setting)
	}
	return fmt.Sprintf("%s: allow in the rule %q of rowback's configuration file, which the proxy takes over on SIGHUP", setting, x.rule.Name)
}

// comment says why the leave in a statement's comment does not do; "" if it has none.
func (x refusal) comment() string {
	n, _, ok := sqlparse.AllowanceComment(x.sql)
	switch {
	case !ok:
		return ""
	case !honours(x.rule):
		return ". The rule takes no allowance from a comment"
	case x.rule.CommentMax > 0 && n > x.rule.CommentMax:
		return fmt.Sprintf(". The comment allows %d rows: the rule takes at most %d from a comment", n, x.rule.CommentMax)
	}
	return fmt.Sprintf(". The comment allows %d rows", n)
}

// least is the smaller of the rule's limits, 0 if there is none.
func (x refusal) least() int64 {
	n := x.rule.Transaction
	if n == policy.Unlimited || x.rule.Statement != policy.Unlimited && x.rule.Statement < n {
		n = x.rule.Statement
	}
	return max(n, 0)
}

func unrecordedAdvice(tables []journal.Table) string {
	for _, t := range keyless(tables) {
		switch {
		case t.Why == noKey:
			return "Give the table a primary key"
		case strings.Contains(t.Why, "may not"), strings.Contains(t.Why, "SELECT"):
			return "Let the role read the table"
		}
	}
	return "Remove the rows by a DELETE of their own"
}

// command is the allowance that would let it through.
func (x refusal) command(who policy.Subject) string {
	rows := fmt.Sprint(max(1, x.need))
	if x.atLeast { // how many there are, nobody knows yet
		rows = "N"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "rowback allow --rows %s --for 10m --once --user %s --database %s", rows, shell(who.User), shell(who.Database))
	seen := map[string]bool{}
	for _, t := range x.tables {
		if name := displayName(t); t.Via != journal.Cascade && (t.Removed() || t.Via == journal.Update) && !seen[name] && len(seen) < maxNamed {
			seen[name] = true
			b.WriteString(" --table " + shell(name))
		}
	}
	return b.String()
}

// needed is how many rows an allowance must have for the transaction to go on:
// what each of the statement's rules counts of it.
func (r *run) needed(removed []journal.Table) int64 {
	var n int64
	for _, sh := range shares(r.s.rules.sheet, removed, nil) {
		if sh.rule.Mode != policy.Off {
			n += r.unpardoned(sh.rule)
		}
	}
	return n
}
