package doctor

import (
	"context"
	"fmt"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
)

func (e *examination) configuration(context.Context) {
	if e.o.ConfigFile == "" {
		e.warn("configuration", "name one with --config, or write rowback.yaml; examples/rowback.yaml has every key",
			"no configuration file: flags, environment and defaults only")
		return
	}
	e.ok("configuration", "%s", e.o.ConfigFile)
}

func (e *examination) memory(context.Context) {
	if e.o.Memory != "" {
		e.warn("memory", "set max-memory to half of that, or leave it out", "max-memory is %s, and there are %s: the kernel ends the proxy before it holds back", e.o.MaxMemory, e.o.Memory)
	}
}

func (e *examination) rules(context.Context) {
	p := e.o.Policy
	if err := p.Validate(); err != nil {
		e.fail("rules", "mend it in the configuration", "%v", err)
		return
	}
	c := Check{Name: "rules", Status: OK, Seen: fmt.Sprintf("%d, and the default", len(p.Rules))}
	judged := p.Default.Mode != policy.Off
	for _, r := range p.Rules {
		c.List = append(c.List, r.String())
		judged = judged || r.Mode != policy.Off
	}
	c.List = append(c.List, p.Default.String())
	e.add(c)
	if !judged {
		e.warn("rules", "set mode to block, hold or alert", "mode is off: nothing is guarded, and nothing is recorded")
	}
	for _, s := range p.Shadows() {
		e.warn("rules", fmt.Sprintf("put %q before %q, or leave it out", s.Rule.Name, s.By.Name),
			"the rule %q is never reached: %q stands before it and takes all that it would", s.Rule.Name, s.By.Name)
	}
}

// ruleNames: names in rules that nothing is called, or partitions only; and what they leave to other rules.
func (e *examination) ruleNames(ctx context.Context) {
	if e.production == nil {
		return
	}
	s, err := e.production.Catalog(ctx)
	if err != nil {
		return // the restore's check says so
	}
	roots := map[policy.Name]policy.Name{}
	for _, t := range s.Tables {
		roots[named(t)] = named(t.Root())
	}
	for _, m := range e.o.Policy.Misnamed(s.Database, roots) {
		if len(m.Roots) > 0 {
			e.warn("rules", fmt.Sprintf("write %s, if it is to be in force for the whole table", m.Roots[0]),
				"the rule %q is for tables %s, of which there are partitions only, in %s: their rows fall under the rules for %s", m.Rule.Name, m.Glob, s.Database, m.Roots[0])
			continue
		}
		e.warn("rules", "write the name as it is stored: without quotes, and in small letters if it was made without them",
			"the rule %q is for tables %s, and no table of %s is called that", m.Rule.Name, m.Glob, s.Database)
	}
	e.cascades(s)
	for i := range e.o.Policy.Rules {
		r := &e.o.Policy.Rules[i]
		if !isFor(r, s.Database) {
			continue
		}
		e.softColumns(s, r, r.Match.Tables)
		for _, glob := range r.ExcludeColumns {
			only := policy.Rule{ExcludeColumns: []string{glob}}
			if !anyColumn(s, r.Match.Tables, only.Excludes) {
				e.warn("rules", "write the column as it is stored: until then it is kept in the journal like any other",
					"the rule %q leaves the column %s out of the rows that it keeps, and no table that it is for has one of that name", r.Name, glob)
			}
		}
	}
	e.softColumns(s, &e.o.Policy.Default, nil)
}

// softColumns: columns that are to mark rows as deleted, in tables that have none of that name.
func (e *examination) softColumns(s *catalog.Snapshot, r *policy.Rule, tables []string) {
	if r.Mode == policy.Off {
		return
	}
	for _, column := range r.SoftDelete {
		if !anyColumn(s, tables, func(_, _, c string) bool { return c == column }) {
			e.warn("rules", "write the column as it is stored: until then no UPDATE of it counts as a DELETE",
				"the rule %q has %s as a soft-delete column, and no table of %s that it is for has one of that name", r.Name, column, s.Database)
		}
	}
}

// anyColumn reports whether any of these tables (none: all) has such a column.
func anyColumn(s *catalog.Snapshot, tables []string, is func(schema, table, column string) bool) bool {
	for _, t := range s.Tables {
		if len(tables) > 0 && !policy.MatchesTable(tables, t.Schema, t.Name) {
			continue
		}
		for _, c := range t.Columns {
			if is(t.Schema, t.Name, c.Name) {
				return true
			}
		}
	}
	return false
}
