package guard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
	"github.com/rowback/rowback/sqlparse"
)

// image is what is kept of a table's rows beside their keys. Without columns, why
// says why not, or is empty if the rule does not ask for it.
type image struct {
	columns  []journal.ImageColumn
	excluded []string
	why      string
}

// note puts into a table's share of an entry what becomes of its images.
func (m image) note(t *journal.Table) {
	t.RowsCaptured, t.WhyNoRows, t.Columns, t.Excluded = len(m.columns) > 0, m.why, m.columns, m.excluded
}

// without is the image that cannot be taken after all.
func (m image) without(why string) image {
	if len(m.columns) == 0 { // none anyway, and it may be known why
		return m
	}
	return image{why: why}
}

// parse are the columns in sqlparse's terms.
func (m image) parse() []sqlparse.ImageColumn {
	var out []sqlparse.ImageColumn
	for _, c := range m.columns {
		out = append(out, sqlparse.ImageColumn{Name: c.Name, Text: c.Text})
	}
	return out
}

// wordless are the types whose binary form holds no text, and so does not depend
// on the session's encoding; as elements of arrays, too.
var wordless = map[string]bool{
	"int2": true, "int4": true, "int8": true, "float4": true, "float8": true, "numeric": true, "money": true, "bool": true, "bytea": true, "uuid": true,
	"date": true, "time": true, "timetz": true, "timestamp": true, "timestamptz": true, "interval": true, "bit": true, "varbit": true, "oid": true,
	"inet": true, "cidr": true, "macaddr": true, "macaddr8": true, "point": true, "line": true, "lseg": true, "box": true, "path": true, "polygon": true, "circle": true,
	"int4range": true, "int8range": true, "numrange": true, "daterange": true, "tsrange": true, "tstzrange": true, "pg_lsn": true, "xid": true, "xid8": true,
	"int4multirange": true, "int8multirange": true, "nummultirange": true, "datemultirange": true, "tsmultirange": true, "tstzmultirange": true,
}

// worded are the types whose text says the same in every session.
var worded = map[string]bool{
	"text": true, "varchar": true, "bpchar": true, "name": true, "char": true, "json": true, "jsonb": true, "xml": true, "citext": true, "tsvector": true,
	"_text": true, "_varchar": true, "_citext": true, "jsonpath": true, "ltree": true, "hstore": true,
}

// withoutSchema is the name of a type as an extension has it, whatever schema it is in.
func withoutSchema(base string) string {
	at := strings.LastIndexByte(base, '.')
	if at >= 0 && base[0] == '_' {
		return "_" + base[at+1:]
	}
	return base[at+1:]
}

// imageOf says what is kept of a table's rows by the rule that it falls under, in
// a session of that client_encoding.
func (s *session) imageOf(w proxy.Wire, t *catalog.Table, encoding string) image {
	root := t.Root()
	rule := s.rules.ruleFor(t)
	if rule.Capture != policy.CaptureRows || rule.Mode == policy.Off {
		return image{}
	}
	if w.Parameter("server_encoding") == "SQL_ASCII" {
		return image{why: "the database has no encoding (SQL_ASCII), so text in it may be anything"}
	}
	var m image
	for _, c := range root.Columns {
		switch {
		case c.Generated:
			continue
		case rule.Excludes(root.Schema, root.Name, c.Name) && !slices.Contains(t.Key, c.Name):
			m.excluded = append(m.excluded, c.Name)
			continue
		}
		text := c.Textual || c.BaseType == "xml" // whose binary form leaves out what a declaration says
		if encoding != "UTF8" && !(wordless[c.BaseType] || len(c.BaseType) > 0 && c.BaseType[0] == '_' && wordless[c.BaseType[1:]]) {
			if !worded[withoutSchema(c.BaseType)] {
				return image{why: fmt.Sprintf("column %s of type %s cannot be read exactly by a session whose client_encoding is %s", c.Name, c.Type, encoding)}
			}
			text = true
		}
		m.columns = append(m.columns, journal.ImageColumn{Name: c.Name, Type: c.Type, Text: text, Shape: c.Shape})
	}
	if len(m.columns) == 0 {
		return image{why: "all of its columns are excluded"}
	}
	return m
}

// covers: the image has all that a row of t holds. A child that inherits may have
// columns that its parent has not.
func (m image) covers(t *catalog.Table) bool {
	return !slices.ContainsFunc(t.Columns, func(c catalog.Column) bool {
		return !c.Generated && !slices.Contains(m.excluded, c.Name) && !slices.ContainsFunc(m.columns, func(o journal.ImageColumn) bool { return o.Name == c.Name })
	})
}

// loose says why the rows of a cascade into t cannot be locked as their images are
// read, "" if they can: see sqlparse.Step.Lock.
func (s *session) loose(st judged, p *plan, t *catalog.Table, known meaning) string {
	switch {
	case st.why != "" || slices.ContainsFunc(append(p.target.Leaves(), p.target), func(x *catalog.Table) bool { return len(x.UnsafeTriggers) > 0 && keeps(x) }):
		return "a trigger or function may remove them first"
	case p.fixed:
		return "the transaction keeps its snapshot"
	}
	return known.unlockable[t.OID]
}

// outrun: images of rows that were not locked are right if no other transaction ended
// between the two readings. They were read in a snapshot of that time, and nobody can
// have changed the rows since. A transaction that keeps its snapshot sees none end.
func (r *run) outrun() {
	if !r.capturing() || !r.plan.loose || r.before.ended != "" && r.before.ended == r.after.ended {
		return
	}
	for at, i := range r.index {
		if st := r.plan.steps[at.step]; st.via == journal.Cascade && st.loose != "" && r.rowsSince(i) > 0 {
			if share := &r.s.tx.removals.tables[i]; share.RowsCaptured {
				st.image.without("others may have changed rows of it while the statement ran, and " + st.loose).note(share)
			}
		}
	}
}

// incomplete are the tables of which whole rows were asked for and not all are recorded.
func incomplete(tables []journal.Table) []journal.Table {
	var out []journal.Table
	for _, t := range tables {
		if t.WhyNoRows != "" && t.Rows > 0 && t.Removed() {
			out = append(out, t)
		}
	}
	return out
}
