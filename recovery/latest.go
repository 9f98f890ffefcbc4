package recovery

import (
	"context"
	"fmt"

	"github.com/rowback/rowback/catalog"
)

// latest is a temporary table of rows that others like it may have as well: links of one
// foreign key, marks of one table.
type latest struct {
	staged string
	keys   []string             // the columns that tell rows apart
	same   []catalog.Comparison // of these
}

// supersede does something (an UPDATE or DELETE of x, the table's name left open, up to its
// WHERE) with the rows that one of the tables before has, too. The tables come newest
// first. Each is looked at once, whatever came before it.
func (r *restore) supersede(ctx context.Context, tables []latest, do string) error {
	if len(tables) < 2 {
		return nil
	}
	const seen = "pg_temp.rowback_seen"
	keys := list("", tables[0].keys)
	if err := r.production.exec(ctx, fmt.Sprintf("DROP TABLE IF EXISTS %[1]s; CREATE TEMP TABLE %[2]s AS SELECT %[3]s FROM %[4]s; CREATE INDEX ON %[1]s (%[3]s); ANALYZE %[1]s",
		seen, local(seen), keys, tables[0].staged)); err != nil {
		return err
	}
	for _, t := range tables[1:] {
		err := r.production.exec(ctx, fmt.Sprintf(do+" WHERE EXISTS (SELECT FROM %s n WHERE %s); INSERT INTO %[2]s SELECT %[4]s FROM %[1]s",
			t.staged, seen, equal("n", t.keys, "x", t.keys, t.same...), keys))
		if err != nil {
			return err
		}
	}
	return r.production.exec(ctx, "DROP TABLE "+seen)
}

// supersedeLinks is supersede for the links of each foreign key.
func (r *restore) supersedeLinks(ctx context.Context, do string) error {
	type by struct {
		fk  *catalog.ForeignKey
		key string
	}
	groups := map[by][]latest{}
	for _, l := range r.links {
		at := by{l.ref.ForeignKey, list("", l.key)}
		groups[at] = append(groups[at], latest{l.staged, l.keys(), l.same[:len(l.key)]})
	}
	for _, g := range groups {
		if err := r.supersede(ctx, g, do); err != nil {
			return err
		}
	}
	return nil
}
