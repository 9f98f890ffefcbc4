package catalog

import (
	"cmp"
	"fmt"
	"slices"
)

// foreignKey: name, child, parent, columns, parent columns, on delete, on update,
// set columns, deferrable, deferred, validated, match, then, for pairs of columns
// that are not compared by pg_catalog's "=": number, operator, collation; period.
func (l *loader) foreignKey(d document) error {
	child, parent := l.snapshot.Tables[d.oid(1)], l.snapshot.Tables[d.oid(2)]
	if child == nil || parent == nil {
		return nil
	}
	var lists [3][]int
	for i, at := range []int{3, 4, 7} {
		var err error
		if lists[i], err = d.numbers(at); err != nil {
			return err
		}
	}
	k := &ForeignKey{
		Name: d.text(0), Child: child, Parent: parent,
		Columns: l.columnNames(child, lists[0]), ParentColumns: l.columnNames(parent, lists[1]),
		OnDelete: Action(d.char(5)), OnUpdate: Action(d.char(6)), OnDeleteSet: l.columnNames(child, lists[2]),
		Deferrable: d.flag(8), Deferred: d.flag(9), Validated: d.flag(10), MatchFull: d.char(11) == 'f', Period: d.flag(13),
	}
	unusual := d.list(12)
	for i, u := range unusual {
		how := unusual.list(i)
		n := how.number(0)
		if len(how) != 5 || n < 1 || n > float64(len(k.Columns)) {
			return fmt.Errorf("catalog: foreign key %s: comparison %v", k.Name, u)
		}
		if k.Compare == nil {
			k.Compare = make([]Comparison, len(k.Columns))
		}
		k.Compare[int(n)-1] = comparison(how)
	}
	child.References = append(child.References, k)
	parent.ReferencedBy = append(parent.ReferencedBy, k)
	return nil
}

func comparison(d document) (c Comparison) {
	if schema, operator := d.text(1), d.text(2); schema != "pg_catalog" || operator != "=" {
		c.Operator = quote(schema) + "." + operator
	}
	if d.text(4) != "" {
		c.Collation = quote(d.text(3)) + "." + quote(d.text(4))
	}
	return c
}

// inheritForeignKeys gives partitions the foreign keys of the tables that they
// are partitions of: the same values, with the root as Child or Parent.
// Inheritance children have none of their parent's.
func (l *loader) inheritForeignKeys() {
	byName := func(a, b *ForeignKey) int {
		return cmp.Or(compareTables(a.Child, b.Child), cmp.Compare(a.Name, b.Name))
	}
	tables := l.snapshot.sorted()
	for _, t := range tables {
		slices.SortFunc(t.References, byName)
		slices.SortFunc(t.ReferencedBy, byName)
	}
	var give func(t *Table)
	give = func(t *Table) {
		for _, c := range t.Children {
			if c.Partition {
				c.References = append(slices.Clip(t.References), c.References...)
				c.ReferencedBy = append(slices.Clip(t.ReferencedBy), c.ReferencedBy...)
				give(c)
			}
		}
	}
	for _, t := range tables {
		if !t.Partition {
			give(t)
		}
	}
}
