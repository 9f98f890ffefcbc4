package recovery

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

const domainTypes = `CREATE SCHEMA "Ty.pes"; CREATE TYPE "Ty.pes"."Mo od" AS ENUM ('a', 'b''x', 'c', 'd', 'e'); CREATE DOMAIN "Ty.pes"."do m" AS "Ty.pes"."Mo od"; CREATE DOMAIN twice AS "Ty.pes"."do m" CHECK (VALUE::text <> 'z');
	CREATE DOMAIN list AS int[]; CREATE DOMAIN span AS int4range; CREATE TYPE pair AS (a int, b text); CREATE DOMAIN dpair AS pair`

// keyTypes are types whose operators are not theirs alone, with five values; referred: a
// foreign key may be over them.
var keyTypes = []struct {
	typ      string
	referred bool
	values   string
}{
	{`"Ty.pes"."Mo od"`, true, "a|b''x|c|d|e"},
	{`"Ty.pes"."do m"`, false, "a|b''x|c|d|e"},
	{"twice", false, "a|b''x|c|d|e"},
	{"list", true, "{1}|{2,NULL}|{}|{4}|{5}"},
	{`"Ty.pes"."do m"[]`, true, "{a}|{b''x,NULL}|{}|{d}|{e}"},
	{"span", true, "[1,2)|[2,)|empty|[4,5)|[5,6)"},
	{"dpair", true, "(1,a)|(2,)|(3,c)|(4,d)|(5,e)"},
}

// A key may be of any type that has an order, or an equality, whatever that is over.
func TestDomainKey_RestoreAndUndo(t *testing.T) {
	for _, k := range keyTypes {
		v := strings.Split(k.values, "|")
		keys := []string{"id"}
		if k.typ == "twice" {
			keys = append(keys, "n, id")
		}
		for _, key := range keys {
			t.Run(k.typ+", "+key, func(t *testing.T) {
				setup := []string{domainTypes, `CREATE TABLE p (id int PRIMARY KEY); INSERT INTO p VALUES (1), (2), (3)`,
					fmt.Sprintf("CREATE TABLE t (id %s, n int, u %[1]s UNIQUE, p int REFERENCES p ON DELETE SET NULL, deleted bool DEFAULT false, PRIMARY KEY (%s)); CREATE UNIQUE INDEX ON t (coalesce(u, id))", k.typ, key)}
				for i := range 4 {
					setup = append(setup, fmt.Sprintf("INSERT INTO t VALUES ('%s', %d, '%[1]s', %[3]d)", v[i], i, i%3+1))
				}
				if k.referred {
					setup = append(setup, fmt.Sprintf("CREATE TABLE c (id int PRIMARY KEY, t %s REFERENCES t (u) ON DELETE CASCADE); INSERT INTO c SELECT n, u FROM t", k.typ))
				}
				l := newLab(t, setup...).backup()
				before := l.state(l.production)
				id := l.incident(fmt.Sprintf("DELETE FROM t WHERE id::text IN ('%s', '%s')", v[0], v[1]), "DELETE FROM p WHERE id = 3")
				after := l.state(l.production)
				dry := l.options(id)
				dry.DryRun = true
				if plan := l.count(l.restore(dry), "t"); plan.Restored != 2 || plan.Relinked != 1 {
					t.Errorf("dry run: %+v", plan)
				}
				l.is(l.state(l.production), after)
				report := l.restore(l.options(id))
				l.is(l.state(l.production), before)
				if again := l.restore(l.options(id)); again.Restored != 0 || !again.Complete() {
					t.Errorf("again: %+v", again)
				}
				if plan := l.undo(UndoOptions{DryRun: true}, report.Entry); plan.Removed != report.Restored {
					t.Errorf("undo, dry run: %+v", plan)
				}
				l.is(l.state(l.production), before)
				undo := l.undo(UndoOptions{}, report.Entry)
				l.is(l.state(l.production), after)
				l.restore(l.options(undo.Entry))
				l.is(l.state(l.production), before)

				l.restore(l.alone(l.imaged(nil, fmt.Sprintf("DELETE FROM t WHERE id::text = '%s'", v[2]))))
				l.is(l.state(l.production), before)

				// Its value in the unique column is another row's by then.
				id = l.incident(fmt.Sprintf("DELETE FROM t WHERE id::text = '%s'", v[2]), fmt.Sprintf("INSERT INTO t VALUES ('%s', 9, '%s')", v[4], v[2]))
				if c := l.count(l.restore(l.options(id)), "t"); c.Conflicts != 1 || c.Restored != 0 {
					t.Errorf("conflict: %+v", c)
				}
			})
		}
	}
}

func TestDomainKey_SoftDeletesAreSetBack(t *testing.T) {
	for _, k := range keyTypes {
		v := strings.Split(k.values, "|")
		t.Run(k.typ, func(t *testing.T) {
			l := newLab(t, domainTypes, fmt.Sprintf("CREATE TABLE t (id %s PRIMARY KEY, deleted bool DEFAULT false); INSERT INTO t VALUES ('%s'), ('%s'), ('%s')", k.typ, v[0], v[1], v[2])).backup()
			before := l.state(l.production)
			id := l.softly(fmt.Sprintf("UPDATE t SET deleted = true WHERE id::text <> '%s'", v[0]), "t", "deleted")
			after := l.state(l.production)
			report := l.restore(l.options(id))
			l.is(l.state(l.production), before)
			l.undo(UndoOptions{}, report.Entry)
			l.is(l.state(l.production), after)
		})
	}
}

// A reference that the configuration declares is by an enum, or a domain over it, on either side.
func TestDomainKey_PolymorphicReference(t *testing.T) {
	enum, domain := `"Ty.pes"."Mo od"`, `"Ty.pes"."do m"`
	for child, parent := range map[string]string{enum: domain, domain: "twice", "twice": enum} {
		t.Run(child+" to "+parent, func(t *testing.T) {
			l := newLab(t, domainTypes, fmt.Sprintf("CREATE TABLE t (id %s PRIMARY KEY); INSERT INTO t VALUES ('a'), ('b''x'); CREATE TABLE note (id int PRIMARY KEY, kind text, of %s); INSERT INTO note VALUES (1, 't', 'a'), (2, 't', 'b''x')", parent, child)).backup()
			before := l.state(l.production)
			id := l.incident("DELETE FROM note")
			l.exec("DELETE FROM t WHERE id::text = 'a'")
			o := l.options(id)
			o.Config = &Config{Polymorphic: []Polymorphic{{Table: "note", Type: "kind", ID: "of", Targets: []Target{{Value: "t", Table: "t"}}}}}
			o.WithParents = true
			if report := l.restore(o); l.count(report, "t").Restored != 1 {
				t.Errorf("the parent did not come: %+v", report.Tables)
			}
			l.is(l.state(l.production), before)
		})
	}
}

func TestDomainKey_Impact(t *testing.T) {
	l := newLab(t, domainTypes, `CREATE TABLE t (id twice PRIMARY KEY); INSERT INTO t VALUES ('a'), ('c')`).backup()
	l.exec("DELETE FROM t WHERE id::text = 'c'")
	rows, err := Impact(context.Background(), l.side(l.production).conn, l.side(l.recovery).conn, []string{"t"})
	if want := (ImpactRow{"public.t", 1, 2, 1}); err != nil || rows[0] != want {
		t.Errorf("%+v, %v", rows, err)
	}
}
