package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// need is one privilege that a restore cannot do without, and the SQL that asks for it.
type need struct{ test, mend string }

// checkAll finds every missing privilege and hidden row before anything is
// made, and settles how triggers are kept quiet. It is called again for tables
// that join later, as parents.
func (r *restore) checkAll(ctx context.Context, tables []*table) error {
	var live, backup []need
	var read, copies []*catalog.Table
	for _, t := range tables {
		read = append(read, t.live)
		live = append(live, schemaNeed(t.live), tableNeed(t.live, "SELECT"), tableNeed(t.live, "INSERT"))
		if t.mark.settable() || len(t.key) == 0 { // see lockKeyless
			live = append(live, tableNeed(t.live, "UPDATE"))
		}
		if t.mark.settable() {
			_, children := r.around(t.live, t.mark.all(), nil)
			read = append(read, children...)
			live = append(live, childNeeds(children)...)
		}
		for _, ref := range t.declared { // no trigger locks their parents: we do
			live = append(live, need{fmt.Sprintf("has_any_column_privilege(%d::oid, 'UPDATE')", ref.Parent.OID), "GRANT UPDATE ON " + display(ref.Parent) + " TO CURRENT_USER"})
		}
		if t.backup != nil {
			copies = append(copies, t.backup)
			backup = append(backup, schemaNeed(t.backup), tableNeed(t.backup, "SELECT"))
		}
		for _, s := range t.detail.sequences {
			for _, p := range []string{"USAGE, UPDATE", "SELECT"} { // any of them: nextval takes either
				grant, _, _ := strings.Cut(p, ",")
				live = append(live, need{
					fmt.Sprintf("has_sequence_privilege(%d::oid, '%s')", s.oid, p),
					fmt.Sprintf("GRANT %s ON SEQUENCE %s TO CURRENT_USER", grant, s.name)})
			}
		}
	}
	for _, l := range r.links {
		live = append(live, schemaNeed(l.live), tableNeed(l.live, "SELECT"), tableNeed(l.live, "UPDATE"))
		_, children := r.around(l.live, l.cut, nil)
		read = append(append(read, l.live), children...)
		live = append(live, childNeeds(children)...)
	}
	parents, err := r.parents(ctx, tables)
	if err != nil {
		return err
	}
	for _, p := range parents {
		live = append(live, schemaNeed(p), tableNeed(p, "SELECT"))
	}
	live = append(live, need{"has_database_privilege(current_database(), 'TEMPORARY')",
		"GRANT TEMPORARY ON DATABASE " + journal.QuoteName("", r.production.catalog.Database) + " TO CURRENT_USER"})
	var hidden, missing []string
	for _, x := range []struct {
		s     *side
		read  []*catalog.Table
		needs []need
	}{{r.production, append(read, parents...), live}, {r.recovery, copies, backup}} {
		h, err := x.s.hidden(ctx, x.read)
		if err != nil {
			return err
		}
		m, err := x.s.missing(ctx, x.needs)
		if err != nil {
			return err
		}
		hidden, missing = append(hidden, h...), append(missing, x.s.grants(m)...)
	}
	if err := refuse(Denied, append(hidden, missing...)...); err != nil {
		return err
	}
	return r.probeReplica(ctx, parents)
}

// parents are the tables that rows or links may refer to, described.
func (r *restore) parents(ctx context.Context, tables []*table) ([]*catalog.Table, error) {
	var out []*catalog.Table
	for _, t := range tables {
		for _, p := range parentTables(t) {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	for _, l := range r.links {
		others, _ := r.around(l.live, l.cut, nil)
		for _, p := range append(others, l.ref.Parent) {
			if !slices.Contains(out, p) {
				out = append(out, p)
			}
		}
	}
	return out, r.production.describe(ctx, out...)
}

// childNeeds: whether they have rows is asked before what these refer to changes.
func childNeeds(children []*catalog.Table) (out []need) {
	for _, c := range children {
		out = append(out, schemaNeed(c), tableNeed(c, "SELECT"))
	}
	return out
}

// hidden names the tables of which the role does not see all rows.
func (s *side) hidden(ctx context.Context, tables []*catalog.Table) (out []string, err error) {
	if len(tables) == 0 {
		return nil, nil
	}
	if err := s.describe(ctx, tables...); err != nil {
		return nil, err
	}
	for _, t := range tables {
		if line := rowSecurityProblem(s.name, t); s.detail[t.OID].rowSecurity && !slices.Contains(out, line) {
			out = append(out, line)
		}
	}
	return out, nil
}

func rowSecurityProblem(where string, t *catalog.Table) string {
	return fmt.Sprintf("%s: row-level security hides rows of %s from this role; use a role with BYPASSRLS or the tables' owner", where, display(t))
}

func schemaNeed(t *catalog.Table) need {
	return need{fmt.Sprintf("has_schema_privilege(%s, 'USAGE')", literal(t.Schema)),
		fmt.Sprintf("GRANT USAGE ON SCHEMA %s TO CURRENT_USER", journal.QuoteName("", t.Schema))}
}

func tableNeed(t *catalog.Table, privilege string) need {
	return need{fmt.Sprintf("has_table_privilege(%d::oid, '%s')", t.OID, privilege),
		fmt.Sprintf("GRANT %s ON %s TO CURRENT_USER", privilege, display(t))}
}

// missing returns the mends of the needs that are not met: a statement an object.
func (s *side) missing(ctx context.Context, needs []need) ([]string, error) {
	if len(needs) == 0 {
		return nil, nil
	}
	tests := make([]string, len(needs))
	for i, n := range needs {
		tests[i] = "(" + n.test + ")::int"
	}
	user, err := s.rows(ctx, "SELECT quote_ident(current_user)")
	if err != nil {
		return nil, err
	}
	// One row a need: a table has at most 1,664 columns.
	rows, err := s.rows(ctx, "SELECT unnest(ARRAY["+strings.Join(tests, ", ")+"])")
	if err != nil {
		return nil, err
	}
	var objects []string // each with the rest of its statement
	privileges := map[string][]string{}
	for i, row := range rows {
		if *row[0] == "1" {
			continue
		}
		grant, object, _ := strings.Cut(strings.ReplaceAll(needs[i].mend, "CURRENT_USER", *user[0][0]), " ON ")
		if privileges[object] == nil {
			objects = append(objects, object)
		}
		if p := strings.TrimPrefix(grant, "GRANT "); !slices.Contains(privileges[object], p) {
			privileges[object] = append(privileges[object], p)
		}
	}
	out := make([]string, len(objects))
	for i, object := range objects {
		out[i] = "GRANT " + strings.Join(privileges[object], ", ") + " ON " + object + ";"
	}
	return out, nil
}

// grants is the problem that they are missing: in lines that can be pasted.
func (s *side) grants(missing []string) []string {
	if len(missing) == 0 {
		return nil
	}
	return []string{s.name + ": privileges are missing; have who may grant them run there:\n" + strings.Join(missing, "\n")}
}
