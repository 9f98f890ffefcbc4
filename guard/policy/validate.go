package policy

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"
	"unicode"
)

// FieldError is what is wrong with one field of a rule, named as in the
// configuration file.
type FieldError struct{ Rule, Field, Problem string }

func (e *FieldError) Error() string {
	return fmt.Sprintf("rule %q: %s: %s", e.Rule, e.Field, e.Problem)
}

// Verbs are all that a rule may refuse.
var verbs = []Verb{Delete, Truncate, Drop, DropColumn, Detach, Merge, Update, Call}

var modes = []Mode{Block, Hold, Alert, Off}

var actions = []Action{Allow, Refuse}

var captures = []Capture{CaptureKeys, CaptureRows}

var dimensions = []Dimension{ByDatabase, ByTable, ByUser, ByApplication, ByNetwork}

// Bounds of what makes sense; a window is counted in memory.
const (
	shortestWindow = time.Second
	longestWindow  = 31 * 24 * time.Hour
	longestHold    = 24 * time.Hour
	longestName    = 63
)

// Validate returns the first thing that is wrong with the policy, a *FieldError.
func (p *Policy) Validate() error {
	if err := p.Default.validate(true); err != nil {
		return err
	}
	names := map[string]bool{DefaultName: true}
	for i := range p.Rules {
		r := &p.Rules[i]
		if err := r.Validate(); err != nil {
			return err
		}
		if names[r.Name] {
			return r.wrong("name", "another rule is called that")
		}
		names[r.Name] = true
	}
	return nil
}

// Validate returns the first thing that is wrong with a rule, a *FieldError.
// The default rule of a policy is validated with the policy: it matches everything.
func (r *Rule) Validate() error { return r.validate(false) }

func (r *Rule) wrong(field, format string, args ...any) error {
	return &FieldError{r.Name, field, fmt.Sprintf(format, args...)}
}

func (r *Rule) validate(isDefault bool) error {
	if err := r.validName(isDefault); err != nil {
		return err
	}
	if !isDefault {
		if err := r.validMatch(); err != nil {
			return err
		}
	}
	if err := r.validLimits(); err != nil {
		return err
	}
	if err := r.validWindows(); err != nil {
		return err
	}
	return r.validConduct(isDefault)
}

func (r *Rule) validName(isDefault bool) error {
	switch {
	case isDefault:
	case r.Name == "":
		return r.wrong("name", "is missing; people are told the rule's name, and the journal keeps it")
	case r.Name == DefaultName:
		return r.wrong("name", "%q is what applies where no rule matches; choose another name", DefaultName)
	case len(r.Name) > longestName:
		return r.wrong("name", "is longer than %d bytes", longestName)
	case strings.ContainsFunc(r.Name, func(c rune) bool { return !unicode.IsPrint(c) }) || strings.TrimSpace(r.Name) != r.Name:
		return r.wrong("name", "has control characters in it, or spaces around it")
	}
	return nil
}

func (r *Rule) validMatch() error {
	for _, list := range []struct {
		field string
		globs []string
	}{
		{"databases", r.Match.Databases}, {"tables", r.Match.Tables}, {"users", r.Match.Users}, {"applications", r.Match.Applications},
	} {
		for _, g := range list.globs {
			if _, err := path.Match(g, ""); err != nil {
				return r.wrong(list.field, "%q is no pattern: a [ stays open, or a \\ ends it", g)
			}
			if g == "" && list.field != "applications" { // clients need not give that name
				return r.wrong(list.field, "an empty name matches nothing")
			}
			if list.field == "tables" && strings.Contains(g, `"`) {
				return r.wrong(list.field, "%s: write names as they are stored, without SQL's quotes", g)
			}
		}
	}
	for _, n := range r.Match.Networks {
		if !n.IsValid() || n != n.Masked() || n.Addr().Is4In6() {
			return r.wrong("networks", "%s is no network: the address goes on beyond the prefix, or it is IPv4 written as IPv6", n)
		}
	}
	return nil
}

func (r *Rule) validLimits() error {
	for _, n := range []int64{r.Statement, r.Transaction} {
		if n < Unlimited {
			return r.wrong("limits", "%d is below zero (0 means that no row may be removed)", n)
		}
	}
	if r.Transaction != Unlimited && r.Statement > r.Transaction {
		return r.wrong("limits", "a statement may remove %d rows, but its transaction only %d, which stops it first; raise limits.transaction, too", r.Statement, r.Transaction)
	}
	if !(r.Fraction >= 0 && r.Fraction < 1) { // NaN, too
		return r.wrong("fraction", "%v is not a part of a table: give 10%% or 0.1, or 0 for no such limit", r.Fraction)
	}
	if r.FractionMin < 0 {
		return r.wrong("fraction-min", "%d is below zero", r.FractionMin)
	}
	return nil
}

func (r *Rule) validWindows() error {
	for i, w := range r.Windows {
		switch {
		case w.Rows < 1:
			return r.wrong("windows", "rows: %d is no limit for a window; give 1 or more", w.Rows)
		case w.Per < shortestWindow || w.Per > longestWindow:
			return r.wrong("windows", "per: %s is not between %s and %s", duration(w.Per), duration(shortestWindow), duration(longestWindow))
		}
		for j, d := range w.By {
			if !slices.Contains(dimensions, d) {
				return r.wrong("windows", "by: %q is none of %s", d, list(dimensions))
			}
			if slices.Contains(w.By[:j], d) {
				return r.wrong("windows", "by: %s stands there twice", d)
			}
		}
		for _, o := range r.Windows[:i] {
			if o.Per == w.Per && sameSet(o.By, w.By) {
				return r.wrong("windows", "two windows of %s count by the same; the smaller number alone would ever matter", duration(w.Per))
			}
		}
	}
	return nil
}

func (r *Rule) validConduct(isDefault bool) error {
	if !slices.Contains(modes, r.Mode) {
		return r.wrong("mode", "%q is none of %s", r.Mode, list(modes))
	}
	if !slices.Contains(actions, r.Uncaptured) {
		return r.wrong("uncaptured", "%q is none of %s", r.Uncaptured, list(actions))
	}
	if !slices.Contains(actions, r.Uncountable) {
		return r.wrong("uncountable", "%q is none of %s", r.Uncountable, list(actions))
	}
	if r.Capture != "" && !slices.Contains(captures, r.Capture) {
		return r.wrong("capture", "%q is none of %s", r.Capture, list(captures))
	}
	for _, g := range r.ExcludeColumns {
		if _, err := path.Match(g, ""); err != nil || g == "" || strings.Contains(g, `"`) {
			return r.wrong("exclude-columns", "%q is no pattern for columns: give column, table.column or schema.table.column, with * ? [a-z], as stored and without SQL's quotes", g)
		}
	}
	for i, v := range r.Refuse {
		if !slices.Contains(verbs, v) {
			return r.wrong("refuse", "%q is none of %s", v, list(verbs))
		}
		if slices.Contains(r.Refuse[:i], v) {
			return r.wrong("refuse", "%s stands there twice", v)
		}
	}
	for i, c := range r.SoftDelete {
		if c == "" || slices.Contains(r.SoftDelete[:i], c) {
			return r.wrong("soft-delete", "column %q is empty, or stands there twice", c)
		}
	}
	if r.HoldFor < 0 || r.HoldFor > longestHold || r.Mode == Hold && r.HoldFor < time.Second {
		return r.wrong("hold-for", "%s is not between 1s and %s", duration(r.HoldFor), duration(longestHold))
	}
	switch {
	case !r.CommentAllowances:
	case isDefault || len(r.Match.Users) == 0:
		return r.wrong("comment-allowances", "needs users: name those whose comments may lift the limits, in a rule of their own")
	case slices.Contains(r.Match.Users, "*"):
		return r.wrong("comment-allowances", `needs users by name; "*" is everybody`)
	case r.CommentMax < 0:
		return r.wrong("comment-allowances", "max: %d is below zero", r.CommentMax)
	}
	return nil
}

func sameSet(a, b []Dimension) bool {
	return len(a) == len(b) && !slices.ContainsFunc(a, func(d Dimension) bool { return !slices.Contains(b, d) })
}

func list[T ~string](all []T) string {
	names := make([]string, len(all))
	for i, v := range all {
		names[i] = string(v)
	}
	return strings.Join(names, ", ")
}
