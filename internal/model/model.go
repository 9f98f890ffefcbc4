package model

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Model is a random schema whose rules are known without asking the server.
// Every table has the rows 1 to Rows, each column being a function of its row's
// number.
type Model struct{ Tables []*Table }

// Rows of every table, at first.
const Rows = 24

// Table is one of them.
type Table struct {
	schema, name string
	key          []column
	unique       bool // a column u, unique
	partitioned  bool
	inherits     *Table // has its columns, not its references
	references   []*reference
}

type column struct{ name, kind string }

type reference struct {
	columns []column
	parent  *Table
	to      []column // the parent's key, or its u
	action  string
	notNull bool
	late    bool
	step    int // row i refers to row 1 + (i*step)%Rows of the parent
}

func (t *Table) quoted() string { return quote(t.schema) + "." + quote(t.name) }

func quote(name string) string { return pgx.Identifier{name}.Sanitize() }

func list(columns []string) string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = quote(c)
	}
	return strings.Join(out, ", ")
}

// value is the SQL of a column's value in the row that the SQL i numbers.
func value(kind, i string) string {
	return fmt.Sprintf(map[string]string{
		"int": "(%s)::int", "text": `'k''"\ é' || (%s)`, "uuid": "md5((%s)::text)::uuid", "numeric": "((%s) || '.50')::numeric",
		"date": "'2000-02-20'::date + (%s)::int", "bytea": "int4send((%s)::int)", "timestamptz": "'epoch'::timestamptz + (%s) * '1 h 1 us'::interval",
	}[kind], i)
}

var kinds = []string{"int", "int", "text", "uuid", "numeric", "date", "bytea", "timestamptz"}

func pick[T any](r *rand.Rand, of []T) T { return of[r.IntN(len(of))] }

func chance(r *rand.Rand, percent int) bool { return r.IntN(100) < percent }

// New is a model of the random numbers of r.
func New(r *rand.Rand) *Model {
	m := &Model{}
	for n := range 3 + r.IntN(4) {
		t := &Table{schema: pick(r, []string{"public", "public", "Ö ther"}), name: pick(r, []string{"t%d", "T %d", `q"%d`, "ü.%d"})}
		t.name = fmt.Sprintf(t.name, n)
		if n > 0 && chance(r, 12) {
			if p := pick(r, m.Tables); !p.partitioned && p.inherits == nil {
				t.inherits, t.key, t.unique = p, p.key, p.unique
				m.Tables = append(m.Tables, t)
				continue
			}
		}
		t.key = []column{{"id", pick(r, kinds)}}
		if chance(r, 30) {
			t.key = append(t.key, column{"K 2", pick(r, kinds)})
		}
		t.partitioned = chance(r, 20)
		t.unique = !t.partitioned && chance(r, 60)
		m.Tables = append(m.Tables, t)
	}
	for _, t := range m.Tables {
		if t.inherits != nil {
			continue
		}
		for n := range r.IntN(3) {
			parent := pick(r, m.Tables)
			ref := &reference{parent: parent, to: parent.key, late: chance(r, 30), step: 1 + r.IntN(5)}
			if parent.unique && chance(r, 40) {
				ref.to = []column{{"u", "int"}}
			}
			for i, c := range ref.to {
				ref.columns = append(ref.columns, column{fmt.Sprintf("r%d_%d", n, i), c.kind})
			}
			ref.action = pick(r, []string{"CASCADE", "CASCADE", "CASCADE", "SET NULL", "NO ACTION"})
			ref.notNull = ref.action != "SET NULL" && chance(r, 40)
			t.references = append(t.references, ref)
		}
	}
	return m
}

func names(columns []column) (out []string) {
	for _, c := range columns {
		out = append(out, c.name)
	}
	return out
}

// SQL makes the schema and its rows.
func (m *Model) SQL() (out []string) {
	out = append(out, `CREATE SCHEMA "Ö ther"`)
	var late []string
	for _, t := range m.Tables {
		var columns, values []string
		add := func(c column, sql string, more string) {
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
			add(column{"u", "int"}, "i", " UNIQUE")
		}
		add(column{"v", "int"}, "i", "")
		for _, ref := range owner.references {
			row := fmt.Sprintf("(1 + i * %d %% %d)", ref.step, Rows)
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
		key := "PRIMARY KEY (" + list(names(t.key)) + ")"
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
		late = append(late, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM generate_series(1, %d) i", t.quoted(), list(into), strings.Join(values, ", "), Rows))
	}
	out = append(out, late...)
	for _, t := range m.Tables {
		for _, ref := range t.references {
			deferrable := ""
			if ref.late {
				deferrable = " DEFERRABLE INITIALLY DEFERRED"
			}
			out = append(out, fmt.Sprintf("ALTER TABLE %s ADD FOREIGN KEY (%s) REFERENCES %s (%s) ON DELETE %s%s",
				t.quoted(), list(names(ref.columns)), ref.parent.quoted(), list(names(ref.to)), ref.action, deferrable))
		}
	}
	return out
}

// where is the condition of the row that i numbers.
func (t *Table) where(i int) string {
	var out []string
	for _, c := range t.key {
		out = append(out, quote(c.name)+" = "+value(c.kind, fmt.Sprint(i)))
	}
	return strings.Join(out, " AND ")
}

// Attempt is SQL that does nothing where the schema does not allow it.
func Attempt(format string, args ...any) string {
	return "DO $$ BEGIN " + fmt.Sprintf(format, args...) + "; SET CONSTRAINTS ALL IMMEDIATE; EXCEPTION WHEN OTHERS THEN NULL; END $$"
}

// Incident deletes from a table or two. A statement may fail.
func (m *Model) Incident(r *rand.Rand) (out []string) {
	for range 1 + r.IntN(2) {
		t := pick(r, m.Tables)
		only := ""
		if !t.partitioned && chance(r, 70) {
			only = "ONLY "
		}
		out = append(out, fmt.Sprintf("DELETE FROM %s%s WHERE v %% %d = 0", only, t.quoted(), 1+r.IntN(4)))
	}
	return out
}

// Mischief is what other people do: deletions, changes, rows with the keys, the
// unique values and the links of others.
func (m *Model) Mischief(r *rand.Rand, n int) (out []string) {
	for range n {
		t := pick(r, m.Tables)
		i, other := 1+r.IntN(Rows+6), 1+r.IntN(Rows)
		switch r.IntN(5) {
		case 0:
			out = append(out, Attempt("DELETE FROM %s WHERE %s", t.quoted(), t.where(i)))
		case 1:
			out = append(out, Attempt("UPDATE %s SET v = -%d WHERE %s", t.quoted(), i, t.where(i)))
		case 2:
			if t.unique {
				out = append(out, Attempt("UPDATE %s SET u = %d WHERE %s", t.quoted(), other, t.where(i)))
			}
		case 3:
			if len(t.references) > 0 {
				ref := pick(r, t.references)
				var set []string
				for _, c := range ref.columns {
					set = append(set, quote(c.name)+" = "+value(c.kind, fmt.Sprint(other)))
				}
				out = append(out, Attempt("UPDATE %s SET %s WHERE %s", t.quoted(), strings.Join(set, ", "), t.where(i)))
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
			out = append(out, Attempt("INSERT INTO %s (%s) VALUES (%s)", t.quoted(), list(into), strings.Join(values, ", ")))
		}
	}
	return out
}
