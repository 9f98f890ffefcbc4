package guard

import (
	"context"
	"fmt"
	"slices"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// permit judges a statement by its kind alone, before it runs: verbs that a rule
// refuses, and a condition that it requires. tables are those it is aimed at. What a
// rule holds for that is asked about later, by askKinds.
// errFailed: it is refused, and the client told.
func (r *run) permit(ctx context.Context, tables []*catalog.Table) error {
	verb := policy.VerbOf(r.st.Statement)
	for _, t := range tables {
		root := t.Root()
		if err := r.permitIn(ctx, r.s.rules.sheet.Rule(root.Schema, root.Name), verb, t); err != nil {
			return err
		}
	}
	if len(tables) == 0 {
		return r.permitIn(ctx, r.s.rules.refusing(verb), verb, nil)
	}
	return nil
}

// aim resolves what a statement without a plan names, and permits it.
func (r *run) aim(ctx context.Context) error {
	verb := policy.VerbOf(r.st.Statement)
	if verb == "" || verb != policy.Update && !r.s.rules.sheet.Any(func(x *policy.Rule) bool { return x.Refuses(verb) || x.WhereRequired }) {
		return nil
	}
	names := r.st.Targets
	if r.st.Update != nil {
		names = []sqlparse.Name{r.st.Update.Target}
	} else if r.st.Target.Name != "" {
		names = []sqlparse.Name{r.st.Target}
	}
	var tables []*catalog.Table
	for _, n := range names {
		t, err := r.s.resolve(ctx, r.w, n)
		if err != nil {
			return r.told(err)
		}
		if t != nil {
			tables = append(tables, t)
		}
	}
	if r.st.Update != nil && len(tables) == 1 {
		r.target = tables[0]
	}
	return r.permit(ctx, tables)
}

func (r *run) permitIn(ctx context.Context, rule *policy.Rule, verb policy.Verb, t *catalog.Table) error {
	_, done := r.permitted[rule.Name]
	if done || rule.Mode == policy.Off || slices.ContainsFunc(r.kinds, func(v verdict) bool { return v.rule == rule }) {
		return nil
	}
	name := ""
	if t != nil {
		name = " on " + displayName(journal.Table{Schema: t.Schema, Name: t.Name})
	}
	v, refused := verdict{rule: rule, limit: notRows}, "is refused"
	if rule.Mode == policy.Hold {
		refused = "is not allowed"
	}
	switch {
	case verb == policy.DropColumn && rule.Refuses(verb):
		if some, err := r.hasRows(ctx, t); err != nil || !some {
			return err
		}
		v.reason, v.what = refusedVerb, refused+name+", which has rows"+by(rule)
	case verb != "" && rule.Refuses(verb):
		v.reason, v.what = refusedVerb, refused+name+by(rule)
	case rule.WhereRequired && (verb == policy.Delete || verb == policy.Update && rule.Updates) && !r.conditional():
		v.reason, v.what = noCondition, "needs a WHERE that names a column"+name+by(rule)
	default:
		return nil
	}
	if rule.Mode == policy.Hold { // with its rows, where they can be counted ahead
		r.kinds = append(r.kinds, v)
		return nil
	}
	if err := r.begin(ctx); err != nil {
		return err
	}
	return r.decide(ctx, v, nil)
}

func (r *run) conditional() bool {
	if r.st.Update != nil {
		return r.st.Update.Where
	}
	return r.st.Where
}

// hasRows reports whether a table, or one below it, holds any row that this user sees.
func (r *run) hasRows(ctx context.Context, t *catalog.Table) (bool, error) {
	if t == nil {
		return true, nil
	}
	rows, err := lookup{w: r.w}.Query(ctx, fmt.Sprintf("SELECT EXISTS (SELECT FROM %s)::pg_catalog.text", t.QuotedName()))
	if err != nil {
		return false, r.told(err)
	}
	return len(rows) == 1 && text(rows[0][0]) == "true", nil
}
