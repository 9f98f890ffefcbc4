package recovery

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/rowback/rowback/journal"
)

// A model is a random schema whose rules the oracle knows without asking the
// server: tables with keys of any kind, references of any action in any
// direction, unique values, partitions, inheritance. Every table has the rows
// 1 to modelRows, each column being a function of its row's number.
type model struct{ tables []*modelTable }

const modelRows = 24

type modelTable struct {
	schema, name string
	key          []modelColumn
	unique       bool // a column u, unique
	partitioned  bool
	inherits     *modelTable // has its columns, not its references
	references   []*modelReference
}

type modelColumn struct{ name, kind string }

type modelReference struct {
	columns []modelColumn
	parent  *modelTable
	to      []modelColumn // the parent's key, or its u
	action  string
	notNull bool
	late    bool
	step    int // row i refers to row 1 + (i*step)%modelRows of the parent
}

func (t *modelTable) quoted() string  { return quote(t.schema) + "." + quote(t.name) }
func (t *modelTable) display() string { return journal.QuoteName(t.schema, t.name) }

// value is the SQL of a column's value in the row that the SQL i numbers.
func value(kind, i string) string {
	return fmt.Sprintf(map[string]string{
		"int": "(%s)::int", "text": `'k''"\ é' || (%s)`, "uuid": "md5((%s)::text)::uuid", "numeric": "((%s) || '.50')::numeric",
		"date": "'2000-02-20'::date + (%s)::int", "bytea": "int4send((%s)::int)", "timestamptz": "'epoch'::timestamptz + (%s) * '1 h 1 us'::interval",
	}[kind], i)
}

var modelKinds = []string{"int", "int", "text", "uuid", "numeric", "date", "bytea", "timestamptz"}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

func newModel(r *rand.Rand) *model {
	m := &model{}
	for n := range 3 + r.IntN(4) {
		t := &modelTable{schema: pick(r, []string{"public", "public", "Ö ther"}), name: pick(r, []string{"t%d", "T %d", `q"%d`, "ü.%d"})}
		t.name = fmt.Sprintf(t.name, n)
		if n > 0 && chance(r, 12) {
			if p := pick(r, m.tables); !p.partitioned && p.inherits == nil {
				t.inherits, t.key, t.unique = p, p.key, p.unique
				m.tables = append(m.tables, t)
				continue
			}
		}
		t.key = []modelColumn{{"id", pick(r, modelKinds)}}
		if chance(r, 30) {
			t.key = append(t.key, modelColumn{"K 2", pick(r, modelKinds)})
		}
		t.partitioned = chance(r, 20)
		t.unique = !t.partitioned && chance(r, 60)
		m.tables = append(m.tables, t)
	}
	for _, t := range m.tables {
		if t.inherits != nil {
			continue
		}
		for n := range r.IntN(3) {
			parent := pick(r, m.tables)
			ref := &modelReference{parent: parent, to: parent.key, late: chance(r, 30), step: 1 + r.IntN(5)}
			if parent.unique && chance(r, 40) {
				ref.to = []modelColumn{{"u", "int"}}
			}
			for i, c := range ref.to {
				ref.columns = append(ref.columns, modelColumn{fmt.Sprintf("r%d_%d", n, i), c.kind})
			}
			ref.action = pick(r, []string{"CASCADE", "CASCADE", "CASCADE", "SET NULL", "NO ACTION"})
			ref.notNull = ref.action != "SET NULL" && chance(r, 40)
			t.references = append(t.references, ref)
		}
	}
	return m
}

func names(columns []modelColumn) (out []string) {
	for _, c := range columns {
		out = append(out, c.name)
	}
	return out
}

// sql makes the schema and its rows.
func (m *model) sql() (out []string) {
	out = append(out, `CREATE SCHEMA "Ö ther"`)
	var late []string
	for _, t := range m.tables {
		var columns, values []string
		add := func(c modelColumn, sql string, more string) {
			columns = append(columns, quote(c.name)+" "+c.kind+more)
			values = append(values, sql)
		}
		for _, c := range t.key {
			add(c, value(c.kind, "i"), " NOT NULL")
		}
		owner := t // of the references that made the columns
		if t.inherits != nil {
			owner = t.inherits
		}
		if t.unique {
			add(modelColumn{"u", "int"}, "i", " UNIQUE")
		}
		add(modelColumn{"v", "int"}, "i", "")
		for _, ref := range owner.references {
			row := fmt.Sprintf("(1 + i * %d %% %d)", ref.step, modelRows)
			for _, c := range ref.columns {
				sql, more := value(c.kind, row), ""
				if ref.notNull {
					more = " NOT NULL"
				} else {
					sql = fmt.Sprintf("CASE WHEN i %% 6 > 0 THEN %s END", sql)
				}
				add(c, sql, more)
			}
		}
		key := "PRIMARY KEY (" + list("", names(t.key)) + ")"
		switch {
		case t.inherits != nil:
			unique := ""
			if t.unique {
				unique = ", UNIQUE (u)"
			}
			out = append(out, fmt.Sprintf("CREATE TABLE %s (%s%s) INHERITS (%s)", t.quoted(), key, unique, t.inherits.quoted()))
		case t.partitioned:
			out = append(out, fmt.Sprintf("CREATE TABLE %s (%s, %s) PARTITION BY HASH (%s)", t.quoted(), strings.Join(columns, ", "), key, quote(t.key[0].name)))
			for i := range 2 {
				out = append(out, fmt.Sprintf("CREATE TABLE %s.%s PARTITION OF %s FOR VALUES WITH (MODULUS 2, REMAINDER %d)", quote(t.schema), quote(fmt.Sprintf("%s part%d", t.name, i)), t.quoted(), i))
			}
		default:
			out = append(out, fmt.Sprintf("CREATE TABLE %s (%s, %s)", t.quoted(), strings.Join(columns, ", "), key))
		}
		into := names(t.key)
		if t.unique {
			into = append(into, "u")
		}
		into = append(into, "v")
		for _, ref := range owner.references {
			into = append(into, names(ref.columns)...)
		}
		late = append(late, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) i", t.quoted(), list("", into), strings.Join(values, ", "), modelRows))
	}
	out = append(out, late...)
	for _, t := range m.tables {
		for _, ref := range t.references {
			deferrable := ""
			if ref.late {
				deferrable = " DEFERRABLE INITIALLY DEFERRED"
			}
			out = append(out, fmt.Sprintf("ALTER TABLE %s ADD FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE %s%s",
				t.quoted(), list("", names(ref.columns)), ref.parent.quoted(), list("", names(ref.to)), ref.action, deferrable))
		}
	}
	return out
}

// where is the condition of the row that i numbers.
func (t *modelTable) where(i int) string {
	var out []string
	for _, c := range t.key {
		out = append(out, quote(c.name)+" = "+value(c.kind, fmt.Sprint(i)))
	}
	return strings.Join(out, " AND ")
}

// attempt is SQL that does nothing where the schema does not allow it.
func attempt(format string, args ...any) string {
	return "DO $$ BEGIN " + fmt.Sprintf(format, args...) + "; SET CONSTRAINTS ALL IMMEDIATE; EXCEPTION WHEN OTHERS THEN NULL; END $$"
}

// incident deletes from a table or two.
func (m *model) incident(r *rand.Rand) (out []string) {
	for range 1 + r.IntN(2) {
		t := pick(r, m.tables)
		only := ""
		if !t.partitioned && chance(r, 70) {
			only = "ONLY "
		}
		out = append(out, attempt("DELETE FROM %s%s WHERE v %% %d = 0", only, t.quoted(), 1+r.IntN(4)))
	}
	return out
}

// mischief is what other people do: deletions, changes, rows with the keys, the
// unique values and the links of others.
func (m *model) mischief(r *rand.Rand, n int) (out []string) {
	for range n {
		t := pick(r, m.tables)
		i, other := 1+r.IntN(modelRows+6), 1+r.IntN(modelRows)
		switch r.IntN(5) {
		case 0:
			out = append(out, attempt("DELETE FROM %s WHERE %s", t.quoted(), t.where(i)))
		case 1:
			out = append(out, attempt("UPDATE %s SET v = -%d WHERE %s", t.quoted(), i, t.where(i)))
		case 2:
			if t.unique {
				out = append(out, attempt("UPDATE %s SET u = %d WHERE %s", t.quoted(), other, t.where(i)))
			}
		case 3:
			if len(t.references) > 0 {
				ref := pick(r, t.references)
				var set []string
				for _, c := range ref.columns {
					set = append(set, quote(c.name)+" = "+value(c.kind, fmt.Sprint(other)))
				}
				out = append(out, attempt("UPDATE %s SET %s WHERE %s", t.quoted(), strings.Join(set, ", "), t.where(i)))
			}
		case 4:
			into, values := names(t.key), []string{}
			for _, c := range t.key {
				values = append(values, value(c.kind, fmt.Sprint(i)))
			}
			if t.unique {
				into, values = append(into, "u"), append(values, fmt.Sprint(other))
			}
			for _, ref := range t.references {
				for _, c := range ref.columns {
					into, values = append(into, c.name), append(values, value(c.kind, fmt.Sprint(other)))
				}
			}
			out = append(out, attempt("INSERT INTO %s (%s) VALUES (%s)", t.quoted(), list("", into), strings.Join(values, ", ")))
		}
	}
	return out
}
