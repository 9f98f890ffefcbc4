package recovery

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// Of tables that are merely read, for they have parents or children of the rows, it
// matters what they and the columns concerned are called: a migration that gives a
// column's name to another one would have rows looked up by the wrong values. Whatever
// else becomes of them is nothing to us.

// lockable are the names now of the tables that are read beside those written, but of
// those that cannot be locked: by their kind, or by this role.
func (r *restore) lockable(ctx context.Context) (names []string, err error) {
	oids := []string{"0"}
	for _, ref := range r.beside {
		for _, t := range []*catalog.Table{ref.Parent, ref.Child} {
			if o := strconv.FormatUint(uint64(t.OID), 10); r.written[t.OID] == nil && !slices.Contains(oids, o) {
				oids = append(oids, o)
			}
		}
	}
	err = r.production.each(ctx, fmt.Sprintf(`
		SELECT format('ONLY %%I.%%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.oid IN (%s) AND c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') ORDER BY c.oid`,
		strings.Join(oids, ", ")), func(row []*string) error {
		names = append(names, *row[0])
		return nil
	})
	return names, err
}

// renamedBeside names the tables at either end of the references that are not called
// as in the catalog that was read, or one of whose columns concerned is not. A column
// is known by its place.
func (r *restore) renamedBeside(ctx context.Context) (changed []string, err error) {
	var ends []string
	end := func(t *catalog.Table, columns []string) {
		for _, c := range columns {
			place := 1 + slices.IndexFunc(t.Columns, func(o catalog.Column) bool { return o.Name == c })
			v := fmt.Sprintf("(%d::oid, %s, %s, %s, %d)", t.OID, literal(t.Schema), literal(t.Name), literal(c), place)
			if !slices.Contains(ends, v) {
				ends = append(ends, v)
			}
		}
	}
	for _, ref := range r.beside {
		end(ref.Parent, ref.ParentColumns)
		end(ref.Child, ref.reads())
	}
	if len(ends) == 0 {
		return nil, nil
	}
	err = r.production.each(ctx, fmt.Sprintf(`
		SELECT DISTINCT e.oid::text FROM (VALUES %s) e(oid, schema, name, col, place) WHERE NOT EXISTS (
			SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
			CROSS JOIN LATERAL (SELECT a.attname, row_number() OVER (ORDER BY a.attnum) AS place FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) a
			WHERE c.oid = e.oid AND n.nspname = e.schema AND c.relname = e.name AND a.attname = e.col AND a.place = e.place)`,
		strings.Join(ends, ", ")), func(row []*string) error {
		changed = append(changed, r.nameOf(*row[0]))
		return nil
	})
	return changed, err
}
