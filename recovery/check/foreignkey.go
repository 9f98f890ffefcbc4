package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// foreignKeys looks for rows that refer to no parent, also where the foreign
// key is NOT VALID and so was never asked about them.
func (r *run) foreignKeys(ctx context.Context) error {
	var all []*catalog.ForeignKey
	var total int64
	for _, t := range r.catalog.Tables {
		for _, fk := range t.References {
			if fk.Child == t && r.wants(t) { // partitions list their root's too
				all = append(all, fk)
				total += size(fk.Child)
			}
		}
	}
	slices.SortFunc(all, func(a, b *catalog.ForeignKey) int {
		return strings.Compare(display(a.Child)+"\x00"+a.Name, display(b.Child)+"\x00"+b.Name)
	})
	r.o.Progress.Start("checking foreign keys", total)
	for _, fk := range all {
		err := r.one(ctx, Result{Kind: kindForeignKey, Name: fk.Name, Table: display(fk.Child)}, func(x *Result) error {
			return r.dangling(ctx, fk, x)
		})
		if err != nil {
			return err
		}
		r.o.Progress.Add(size(fk.Child))
	}
	return nil
}

func (r *run) dangling(ctx context.Context, fk *catalog.ForeignKey, x *Result) error {
	columns := slices.Clone(fk.Child.Key)
	for _, c := range fk.Columns {
		if !slices.Contains(columns, c) {
			columns = append(columns, c)
		}
	}
	values := aliased("c", fk.Columns)
	set := strings.Join(values, " IS NOT NULL AND ") + " IS NOT NULL"
	broken := set + " AND " + recovery.Dangles(fk, values)
	if fk.MatchFull && len(values) > 1 { // all columns or none
		broken = fmt.Sprintf("(%s) OR NOT (%s) AND (%s IS NOT NULL)", broken, set, strings.Join(values, " IS NOT NULL OR "))
	}
	sql := fmt.Sprintf("SELECT %s FROM %s c WHERE %s", texts(aliased("c", columns)), only(fk.Child), broken)
	if err := r.session.Each(ctx, sql, r.listed(x, columns)); err != nil {
		return err
	}
	var notes []string
	if x.Problems > 0 {
		notes = append(notes, fmt.Sprintf("%s whose (%s) is not in %s (%s)", recovery.Plural(x.Problems, "row"),
			strings.Join(fk.Columns, ", "), display(fk.Parent), strings.Join(fk.ParentColumns, ", ")))
	}
	if !fk.Validated {
		notes = append(notes, "the constraint is NOT VALID")
	}
	x.Detail = strings.Join(notes, "; ")
	return nil
}

func display(t *catalog.Table) string { return journal.QuoteName(t.Schema, t.Name) }

func aliased(alias string, columns []string) []string {
	out := make([]string, len(columns))
	for i, c := range columns {
		out[i] = pgx.Identifier{alias, c}.Sanitize()
	}
	return out
}

func texts(expressions []string) string {
	return "(" + strings.Join(expressions, ")::text, (") + ")::text"
}
