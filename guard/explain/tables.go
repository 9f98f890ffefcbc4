package explain

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// tables finds the tables that rows may leave, each once, with its rule.
func (x *explainer) tables(ctx context.Context, st sqlparse.Statement) error {
	names := slices.Clone(st.Targets)
	switch {
	case st.Update != nil:
		names = []sqlparse.Name{st.Update.Target}
	case st.Target.Name != "":
		names = []sqlparse.Name{st.Target}
	}
	for _, n := range names {
		if err := x.name(ctx, st, n, "direct"); err != nil {
			return err
		}
	}
	for _, n := range x.o.Tables {
		if err := x.name(ctx, st, n, "named"); err != nil {
			return err
		}
	}
	if len(names) == 0 && st.Verb != sqlparse.Plain {
		x.mentioned(st)
	}
	if st.Uncountable != "" {
		x.note("%s: its rows are not counted beforehand", st.Uncountable)
	}
	if len(x.out.Tables) == 0 {
		x.unknown()
	}
	return nil
}

// name adds what a name stands for, and what goes with its rows.
func (x *explainer) name(ctx context.Context, st sqlparse.Statement, n sqlparse.Name, via string) error {
	if x.o.Catalog == nil {
		x.add(n.Schema, n.Name, via, via == "direct")
		return nil
	}
	t, err := x.o.Resolve(ctx, n)
	if err != nil {
		return err
	}
	if t == nil {
		x.note("there is no table %s in database %s", journal.QuoteName(n.Schema, n.Name), x.o.Catalog.Database)
		x.add(n.Schema, n.Name, via, via == "direct")
		return nil
	}
	x.add(t.Root().Schema, t.Root().Name, via, via == "direct")
	switch {
	case st.Update != nil || st.DropsColumn || st.Detach:
	case st.Verb == sqlparse.Truncate || st.Verb == sqlparse.Drop:
		if st.Verb == sqlparse.Truncate && st.Cascade {
			x.referencing(t)
		}
	default:
		x.cascade(t, st.Only)
	}
	return nil
}

// cascade adds the tables that a DELETE on t reaches.
func (x *explainer) cascade(t *catalog.Table, only bool) {
	if t.Kind == 'v' {
		for _, b := range t.Bases {
			x.add(b.Schema, b.Name, "view", false)
		}
		x.note("%s is a view: what leaves its tables is counted when it runs", journal.QuoteName(t.Schema, t.Name))
	}
	found := t.Reached(only)
	for _, s := range found.Steps[1:] {
		via := "cascade"
		if s.Unlinks() {
			via = "set_null"
		}
		x.add(s.Table.Root().Schema, s.Table.Root().Name, via, false)
	}
	for _, s := range found.Steps {
		for _, name := range s.Table.UnsafeTriggers {
			x.note("the trigger %s on %s may remove rows elsewhere: they count by the rules of their tables", name, journal.QuoteName(s.Table.Schema, s.Table.Name))
		}
	}
	if found.Unfit != "" {
		x.note("its keys cannot be captured, its rows are counted: %s", found.Unfit)
	}
}

// referencing adds what TRUNCATE … CASCADE empties.
func (x *explainer) referencing(t *catalog.Table) {
	for _, k := range t.ReferencedBy {
		if c := k.Child.Root(); x.add(c.Schema, c.Name, "cascade", false) {
			x.referencing(k.Child)
		}
	}
}

// mentioned adds the tables whose names stand in a text that does not say which it
// removes from; one may stand there for another reason.
func (x *explainer) mentioned(st sqlparse.Statement) {
	if x.o.Catalog == nil {
		if len(x.o.Tables) > 0 {
			return
		}
		x.note("which tables it removes from the text alone does not tell: name them with --table, or give a connection")
		return
	}
	byName := map[string][]*catalog.Table{}
	for _, t := range x.o.Catalog.Tables {
		byName[t.Name] = append(byName[t.Name], t)
	}
	for _, name := range sqlparse.NewNames(byName).Mentions([]byte(st.Text)) {
		for _, t := range byName[name] {
			x.add(t.Root().Schema, t.Root().Name, "named", false)
			x.cascade(t, false)
		}
	}
	x.note("these are the tables that the text mentions; what it really removes is counted when it runs")
}

// mayDelete says which names in a plain text may remove rows all the same; "" for none.
func (x *explainer) mayDelete(st sqlparse.Statement) string {
	if x.o.Catalog == nil {
		return ""
	}
	reach := x.o.Catalog.Reach
	if reach.Everything != "" {
		return "any statement may remove rows here: " + reach.Everything
	}
	var all []string
	for _, name := range sqlparse.NewNames(reach.Names).Mentions([]byte(st.Text)) {
		all = append(all, fmt.Sprintf("%s (%s)", name, reach.Names[name]))
	}
	if len(all) == 0 {
		return ""
	}
	return "it mentions what may remove rows: " + strings.Join(all, ", ")
}

// unknown adds the rule for rows of a table that is not known.
func (x *explainer) unknown() { x.add("", "", "", false) }

// add adds a table, unless it is there; reports whether it was not.
func (x *explainer) add(schema, name, via string, aim bool) bool {
	display := ""
	if name != "" {
		display = journal.QuoteName(schema, name)
	}
	for i := range x.out.Tables {
		if t := &x.out.Tables[i]; t.Table == display {
			t.aim = t.aim || aim
			return false
		}
	}
	r := x.sheet.Rule(schema, name)
	x.out.Tables = append(x.out.Tables, Table{
		Table: display, Via: via, Rule: r.Name, For: r.Match.String(), Mode: r.Mode, Does: r.Does(), rule: r, aim: aim,
	})
	return true
}
