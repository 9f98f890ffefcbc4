package protect

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// tableLink is a foreign key, and a table that holds rows of its child.
type tableLink struct {
	table *catalog.Table
	key   *catalog.ForeignKey
}

// linksTo are the links that a DELETE on t, cascades included, cuts: foreign keys
// ON DELETE SET NULL or SET DEFAULT to tables that it reaches. Tables that inherit
// from the child have no foreign key of its. Row triggers of a
// partitioned table would be copied to partitions whose columns stand in another
// order, so each of these has its own.
func linksTo(t *catalog.Table) (out []tableLink) {
	for _, x := range reach(t, true) {
		for _, k := range x.ReferencedBy {
			if k.OnDelete != catalog.SetNull && k.OnDelete != catalog.SetDefault {
				continue
			}
			for _, leaf := range k.Child.Leaves() {
				l := tableLink{leaf, k}
				if own := leaf == k.Child || leaf.Partition; own && unguardable(leaf) == "" && !slices.Contains(out, l) {
					out = append(out, l)
				}
			}
		}
	}
	return out
}

// withLinks is reach with cascades, and the tables of linksTo.
func withLinks(t *catalog.Table) []*catalog.Table {
	all := reach(t, true)
	for _, l := range linksTo(t) {
		if !slices.Contains(all, l.table) {
			all = append(all, l.table)
		}
	}
	return all
}

// parents says why t has triggers if it is not guarded itself.
func (s *state) parents(t *catalog.Table) string {
	var names []string
	for _, k := range s.links[t] {
		if name := show(k.Parent); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return "its links to " + strings.Join(names, ", ")
}

// linksWanted are the triggers, with their functions, that record t's links
// being cut. They cost an UPDATE by somebody else the evaluation of WHEN, and
// only where it sets a column of the link.
func (s *state) linksWanted(t *catalog.Table, a arguments) (triggers []trigger, functions []function) {
	columns := s.columns[t.OID]
	for _, k := range s.links[t] {
		name := linkTrigger + strings.Join(strings.Fields(strings.Trim(fmt.Sprint(numbers(columns, k.Columns)), "[]")), "_")
		if k.OnDelete == catalog.SetDefault {
			name += "_default"
		}
		if slices.ContainsFunc(triggers, func(o trigger) bool { return o.name == name }) {
			continue // another foreign key over the same columns
		}
		f := linkFunction(t, k, columns)
		triggers = append(triggers, trigger{name: name, function: f.name, bits: bitRow | bitUpdate, arguments: a, enabled: 'O', of: quoteAll(k.Columns), when: whenCut(k)})
		functions = append(functions, f)
	}
	return triggers, functions
}

// setColumns are those that the DELETE changes.
func setColumns(k *catalog.ForeignKey) []string {
	if len(k.OnDeleteSet) > 0 {
		return k.OnDeleteSet
	}
	return k.Columns
}

// whenCut is true of a row whose link a guarded statement cuts: rowback.open is
// set while one is under way, and by it alone.
func whenCut(k *catalog.ForeignKey) string {
	all := []string{"pg_catalog.current_setting('rowback.open', true) <> ''"}
	for _, c := range k.Columns {
		all = append(all, "OLD."+quoteAll([]string{c})+" IS NOT NULL")
	}
	var changed []string
	for _, c := range setColumns(k) {
		c = quoteAll([]string{c})
		if k.OnDelete == catalog.SetNull {
			all = append(all, "NEW."+c+" IS NULL")
		} else {
			changed = append(changed, "OLD."+c+" IS DISTINCT FROM NEW."+c)
		}
	}
	if len(changed) > 0 {
		all = append(all, "("+strings.Join(changed, " OR ")+")")
	}
	return strings.Join(all, " AND ")
}

// linkFunction is for AFTER UPDATE, for each row.
func linkFunction(t *catalog.Table, k *catalog.ForeignKey, columns []column) function {
	via := journal.SetNull
	if k.OnDelete == catalog.SetDefault {
		via = journal.SetDef
	}
	s := shape{why: "the table has no primary key or unique not-null key"}
	if len(t.Key) > 0 {
		s = shapeOn(t, slices.Concat(t.Key, k.Columns), columns)
	}
	keep := ""
	if s.why == "" {
		keep = `
	IF rowback_id IS NOT NULL THEN
		INSERT INTO rowback.evidence_key (evidence, keys)
		SELECT rowback_id, ARRAY[ARRAY[` + strings.Join(s.exprs, ", ") + `]] FROM (SELECT OLD.*) AS ` + s.row() + `;
	END IF;`
	}
	return newFunction(linkPrefix, `
-- A link over columns `+fmt.Sprint(numbers(columns, k.Columns), ", of which ", numbers(columns, setColumns(k)))+` are set.
DECLARE
	rowback_id bigint;
BEGIN
	rowback_id := rowback.guard_link(TG_RELID, `+literal(string(via))+`, `+s.linkNote(len(t.Key))+`);`+keep+`
	RETURN NULL;
END
`)
}

// recordedColumn is a column of rowback.evidence.key_columns.
type recordedColumn struct {
	journal.Column
	Old bool `json:"old,omitempty"` // of the link, not of the key
}

// linkNote are guard_link's last four arguments; the first keys columns are the key.
func (s shape) linkNote(keys int) string {
	if s.why != "" {
		return s.note()
	}
	var columns []recordedColumn
	for i, c := range s.columns {
		columns = append(columns, recordedColumn{c, i >= keys})
	}
	return s.noteWith(columns)
}

// numbers are the columns' places in pg_attribute.
func numbers(columns []column, names []string) (out []int) {
	for _, name := range names {
		i := slices.IndexFunc(columns, func(c column) bool { return c.name == name })
		if i >= 0 {
			out = append(out, columns[i].number)
		}
	}
	return out
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = `"` + strings.ReplaceAll(n, `"`, `""`) + `"`
	}
	return strings.Join(quoted, ", ")
}

// jsonOf is a value's JSON, of strings and numbers alone.
func jsonOf(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func braces(numbers []int) string {
	var out []string
	for _, n := range numbers {
		out = append(out, strconv.Itoa(n))
	}
	return "{" + strings.Join(out, ",") + "}"
}
