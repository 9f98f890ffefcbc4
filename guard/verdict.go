package guard

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// verdict is what is wrong with a statement that removed rows, or is about to.
// The zero value: nothing.
type verdict struct {
	rule    *policy.Rule
	what    string          // for people; it continues the statement's verb
	share   []journal.Table // the rows that the rule is about
	limit   int64           // that it is over; policy.Unlimited: another one than a rule's own number; notRows
	reason  reason
	atLeast bool // there may be more rows than share says
	few     bool // there is an allowance for it, which has too few rows left
	// uncounted: it is about the statement's kind, and nobody knows how many rows it has.
	uncounted bool
}

// despite adds that there is an allowance, which is too small; nil: there is none.
func (v verdict) despite(few *journal.TooFewError) verdict {
	if few == nil {
		return v
	}
	needs := "needs"
	if v.atLeast {
		needs += " at least"
	}
	v.few = true
	v.what += fmt.Sprintf("; allowance %s has %d rows left, and this %s %d", few.ID, few.Left, needs, few.Needed)
	return v
}

// share is the part of removed rows that falls under one rule. It is read only: where all
// do, it is the whole.
type share struct {
	rule          *policy.Rule
	statement, tx []journal.Table
}

// shares divides what a statement, and its transaction, removed by rule.
func shares(sheet *policy.Sheet, statement, tx []journal.Table) []share {
	if rule := oneRule(sheet, statement, tx); rule != nil {
		return []share{{rule, statement, tx}}
	}
	var all []share
	at := func(t journal.Table, add bool) *share {
		rule := sheet.Rule(t.Schema, t.Name)
		for i := range all {
			if all[i].rule == rule {
				return &all[i]
			}
		}
		if !add {
			return nil
		}
		all = append(all, share{rule: rule})
		return &all[len(all)-1]
	}
	for _, t := range statement {
		sh := at(t, true)
		sh.statement = append(sh.statement, t)
	}
	for _, t := range tx {
		if sh := at(t, false); sh != nil {
			sh.tx = append(sh.tx, t)
		}
	}
	return all
}

// oneRule is the rule that all of some tables fall under; nil: there are several, or none.
func oneRule(sheet *policy.Sheet, statement, tx []journal.Table) *policy.Rule {
	var rule *policy.Rule
	for _, tables := range [][]journal.Table{statement, tx} {
		for i := range tables {
			switch of := sheet.Rule(tables[i].Schema, tables[i].Name); {
			case len(statement) > 0 && rule == nil:
				rule = of
			case of != rule:
				return nil
			}
		}
	}
	return rule
}

// judge says what is wrong with a statement that removed rows, and with its
// transaction then: the strictest of its rules' verdicts.
func (r *run) judge(statement []journal.Table) verdict {
	var worst verdict
	for _, sh := range shares(r.s.rules.sheet, statement, r.s.tx.gone()) {
		if r.isAnswered(sh) {
			continue
		}
		if v := r.judgeShare(sh, statement); v.rule != nil && (worst.rule == nil || v.rule.Mode.Severity() > worst.rule.Mode.Severity()) {
			worst = v
		}
	}
	return worst
}

func (r *run) judgeShare(sh share, statement []journal.Table) verdict {
	s := r.s
	rule := sh.rule
	n := counted(rule, sh.statement)
	if rule.Mode == policy.Off || n <= 0 {
		return verdict{}
	}
	// Windows first: whatever the verdict, what is under way counts for others.
	full := s.j.windows.reserve(s.j.o.Now(), s.tx, rule, s.subject(), sh.statement, r.ahead)
	words := tensed(rule, sh.statement)
	if r.atLeast {
		words.remove += " at least"
	}
	switch {
	case over(n, rule.Statement):
		rows, by := partOf(rule, sh.statement, statement)
		return verdict{rule: rule, share: sh.statement, limit: rule.Statement, atLeast: r.atLeast,
			what: fmt.Sprintf("%s %s, limit %d%s", words.remove, rows, rule.Statement, by)}
	case over(counted(rule, sh.tx)-s.tx.removals.pardonedOf(rule, sh.tx), rule.Transaction):
		rows, by := partOf(rule, sh.tx, s.tx.gone())
		return verdict{rule: rule, share: slices.Clone(sh.tx), limit: rule.Transaction, atLeast: r.atLeast,
			what: fmt.Sprintf("%s the rows %s by this transaction to %s, limit %d%s", words.bring, words.removed, rows, rule.Transaction, by)}
	case full != "":
		rows, by := partOf(rule, sh.statement, statement)
		return verdict{rule: rule, share: sh.statement, limit: policy.Unlimited, reason: crowded, atLeast: r.atLeast, what: fmt.Sprintf("%s %s: %s%s", words.remove, rows, full, by)}
	}
	return verdict{}
}

func over(n, limit int64) bool { return limit != policy.Unlimited && n > limit }

// by names a rule that is not the default.
func by(r *policy.Rule) string {
	if r.Name == policy.DefaultName || r.Name == "" {
		return ""
	}
	return fmt.Sprintf(" (rule %q)", r.Name)
}

// words are the verb of what happens to rows, as the mode and the tables ask for it.
type words struct{ remove, bring, removed string }

func tensed(rule *policy.Rule, tables []journal.Table) words {
	removed := "changed"
	for _, t := range tables {
		if t.Via != journal.Update {
			removed = "removed"
		}
	}
	if refuses(rule.Mode) {
		return words{"would " + strings.TrimSuffix(removed, "d"), "would bring", removed}
	}
	return words{removed, "brought", removed}
}

// uncaptured says that a statement removed rows without a key where a rule asks
// for every one. It refuses in any mode.
func (s *session) uncaptured(statement []journal.Table) verdict {
	for _, sh := range shares(s.rules.sheet, statement, nil) {
		without := keyless(sh.statement)
		if sh.rule.Mode == policy.Off || sh.rule.Uncaptured != policy.Refuse || len(without) == 0 {
			continue
		}
		return verdict{rule: sh.rule, share: sh.statement, limit: notRows, reason: unrecorded,
			what: fmt.Sprintf("would remove %s whose keys cannot be recorded (%s)%s", rowsOf(without), without[0].Why, by(sh.rule))}
	}
	return verdict{}
}

// judges reports whether rows left any table that falls under a rule that judges.
func (r *rules) judges(tables []journal.Table) bool {
	for _, t := range tables {
		if t.Via != journal.Update && r.sheet.Rule(t.Schema, t.Name).Mode != policy.Off {
			return true
		}
	}
	return false
}

// beyond is a number of rows that is over every limit of a rule.
func beyond(r *policy.Rule) int64 {
	n := max(r.Statement, r.Transaction, 0)
	for _, w := range r.Windows {
		n = max(n, w.Rows)
	}
	return min(n, math.MaxInt64/4) + 1
}

// keyless are the tables whose removed rows nothing stands for, neither a key nor an image.
func keyless(tables []journal.Table) []journal.Table {
	var out []journal.Table
	for _, t := range tables {
		if !t.KeysCaptured && !t.RowsCaptured && t.Rows > 0 && t.Removed() {
			out = append(out, t)
		}
	}
	return out
}

// total is how many rows were removed.
func total(tables []journal.Table) int64 {
	var n int64
	for _, t := range tables {
		if t.Removed() {
			n += t.Rows
		}
	}
	return n
}

// counted is how many of the rows count for a rule's limits.
func counted(rule *policy.Rule, tables []journal.Table) int64 {
	n := total(tables)
	for _, t := range tables {
		if t.Via == journal.Update && rule.Updates {
			n += t.Rows
		}
	}
	return n
}
