package policy

import (
	"errors"
	"testing"
)

// A policy made by hand is checked as one from a file is.
func TestValidate_NamesRuleAndField(t *testing.T) {
	fine := func() Rule {
		r := Base()
		r.Name, r.Match.Users = "r", []string{"u"}
		return r
	}
	p := Policy{Rules: []Rule{fine()}, Default: Base()}
	if err := p.Validate(); err != nil {
		t.Fatal(err)
	}
	for field, spoil := range map[string]func(*Rule){
		"name":               func(r *Rule) { r.Name = "" },
		"users":              func(r *Rule) { r.Match.Users = []string{"[a"} },
		"limits":             func(r *Rule) { r.Statement = -2 },
		"windows":            func(r *Rule) { r.Windows = []Window{{Rows: 1}} },
		"fraction":           func(r *Rule) { r.Fraction = 1 },
		"fraction-min":       func(r *Rule) { r.FractionMin = -1 },
		"mode":               func(r *Rule) { r.Mode = "" },
		"uncaptured":         func(r *Rule) { r.Uncaptured = "" },
		"uncountable":        func(r *Rule) { r.Uncountable = "warn" },
		"refuse":             func(r *Rule) { r.Refuse = []Verb{"select"} },
		"soft-delete":        func(r *Rule) { r.SoftDelete = []string{""} },
		"hold-for":           func(r *Rule) { r.Mode, r.HoldFor = Hold, 0 },
		"comment-allowances": func(r *Rule) { r.CommentAllowances, r.CommentMax = true, -1 },
	} {
		r := fine()
		spoil(&r)
		p := Policy{Rules: []Rule{r}, Default: Base()}
		var e *FieldError
		if err := p.Validate(); !errors.As(err, &e) || e.Field != field || e.Rule != r.Name {
			t.Errorf("%s: %v", field, err)
		}
	}
	p.Rules = append(p.Rules, fine())
	if p.Validate() == nil {
		t.Error("two rules of one name were taken")
	}
	p.Rules = nil
	p.Default.CommentAllowances = true
	if p.Validate() == nil {
		t.Error("comments of everybody lift the limits")
	}
}
