package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// makeStaging makes t's temporary tables. They belong to the session, not to a
// transaction: what was collected outlives a try that failed.
func (r *restore) makeStaging(ctx context.Context, t *table) error {
	// Made by a query, columns keep their exact types and collations, and none
	// of the table's constraints.
	sql := fmt.Sprintf("CREATE TEMP TABLE %[1]s AS SELECT %[2]s%[3]s FROM %[4]s WITH NO DATA; ALTER TABLE %[5]s ALTER rowback_kind SET DEFAULT 0, ALTER rowback_feed SET DEFAULT %[6]d, ALTER rowback_no SET DEFAULT 0",
		local(t.in), prefixComma(list("", t.plainColumns())), kindColumns, t.live.QuotedName(), t.in, lastFeed) +
		t.generatedColumns() +
		fmt.Sprintf("; CREATE TEMP TABLE %s AS SELECT %sNULL::text AS rowback_class, NULL::text AS rowback_reason, NULL::bool AS rowback_marked, NULL::int4 AS rowback_feed FROM %s WITH NO DATA",
			local(t.left), prefixComma(list("", t.columns)), t.live.QuotedName())
	if t.land != "" {
		text := make([]string, len(t.fetched))
		for i, c := range t.fetched {
			text[i] = quote(c) + " text"
		}
		sql += fmt.Sprintf("; CREATE TEMP TABLE %s (%s)", local(t.land), strings.Join(text, ", "))
	}
	err := r.production.exec(ctx, sql)
	if sqlState(err) == "54011" { // too many columns
		return refuse(Unfit, fmt.Sprintf("%s has %d columns: with those that rows are staged with these are more than the server allows in a table; copy its rows by hand", t.name(), len(t.live.Columns)))
	}
	return err
}

// prefixComma is a list that more follows.
func prefixComma(list string) string {
	if list == "" {
		return ""
	}
	return list + ", "
}

func local(name string) string { return strings.TrimPrefix(name, "pg_temp.") }

// settle moves freshly landed text rows on, cast to the types of production,
// once every value is proved to survive the way there and back.
func (r *restore) settle(ctx context.Context, t *table) error {
	if t.land == "" {
		return nil
	}
	values := make([]string, len(t.fetched))
	kinds := map[string]string{}
	for _, c := range t.live.Columns {
		kinds[c.Name] = c.Type
	}
	for i, c := range t.fetched {
		values[i] = fmt.Sprintf("%s::%s%s", quote(c), kinds[c], t.detail.columns[c].collate)
	}
	for _, c := range t.casts {
		// A type that production does not have was read as text.
		known, err := r.production.number(ctx, fmt.Sprintf("SELECT (to_regtype(%s) IS NOT NULL)::int", literal(c.backupType)))
		if err != nil {
			return err
		}
		there, back := quote(c.column), "text"
		if known == 1 {
			there, back = there+"::"+c.backupType, c.backupType
		}
		there += "::" + c.liveType
		values[slices.Index(t.fetched, c.column)] = there + t.detail.columns[c.column].collate
		lost, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE (%s)::%s::text IS DISTINCT FROM %s", t.land, there, back, quote(c.column)))
		problem := fmt.Sprintf("%s.%s: %s in the recovery database does not fit %s in production", t.name(), c.column, c.backupType, c.liveType)
		switch code := sqlState(err); {
		case strings.HasPrefix(code, "22") || strings.HasPrefix(code, "42") || strings.HasPrefix(code, "23"):
			return refuse(Unfit, problem+" (SQLSTATE "+code+"). "+t.howToConvert(c.column))
		case err != nil:
			return err
		case lost > 0:
			return refuse(Unfit, fmt.Sprintf("%s: %d values would change. %s", problem, lost, t.howToConvert(c.column)))
		}
	}
	return r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s) SELECT %s FROM %s; TRUNCATE %s",
		t.in, list("", t.fetched), strings.Join(values, ", "), t.land, t.land))
}

// index makes staged rows quick to find by their key, and by what references
// of other staged rows go by, and gives the planner their figures: without them
// it takes large tables for small ones.
func (r *restore) index(ctx context.Context) error {
	for _, t := range r.tables {
		var by [][]string
		if len(t.key) > 0 {
			by = append(by, t.key)
		}
		for _, child := range r.tables {
			for _, ref := range child.references() {
				if p := r.staged(ref); p == t && t.detail.uniqueOn(ref.ParentColumns) {
					by = append(by, ref.ParentColumns)
				}
			}
		}
		for _, ref := range t.references() { // see prunes
			if ref.Parent.Root() == t.live && t.hasAll(ref.reads()) && !ref.asText {
				if err := r.production.exec(ctx, fmt.Sprintf("CREATE INDEX ON %s (%s)", t.in, list("", ref.Columns))); err != nil {
					return err
				}
			}
		}
		made := map[string]bool{}
		for _, name := range []string{t.in, t.left} {
			for _, columns := range by {
				if at := name + list("", columns); !made[at] {
					made[at] = true
					if err := r.production.exec(ctx, fmt.Sprintf("CREATE INDEX ON %s (%s)", name, list("", columns))); err != nil {
						return err
					}
				}
			}
			if err := r.production.exec(ctx, fmt.Sprintf("ANALYZE %s (%s)", name, list("", t.looksUpBy()))); err != nil {
				return err
			}
		}
	}
	for _, t := range r.tables {
		if t.mark == nil {
			continue
		}
		if err := r.indexOne(ctx, t.mark.staged, t.key); err != nil {
			return err
		}
	}
	return r.indexLinks(ctx)
}

// looksUpBy are the staged columns that t's rows are found by. The planner needs no
// figures of the others, which may be large.
func (t *table) looksUpBy() []string {
	columns := slices.Concat([]string{"rowback_feed"}, t.key)
	for _, ref := range t.references() {
		columns = append(columns, ref.reads()...)
	}
	for _, a := range t.detail.arbiters {
		columns = append(columns, a.columns...)
	}
	slices.Sort(columns)
	return slices.DeleteFunc(slices.Compact(columns), func(c string) bool { return c != "rowback_feed" && !slices.Contains(t.columns, c) })
}

func (r *restore) indexLinks(ctx context.Context) error {
	for _, l := range r.links {
		if err := r.indexOne(ctx, l.staged, l.keys()); err != nil {
			return err
		}
	}
	return nil
}

// indexOne is index for a table that rows of production are looked up in. The
// planner may think that next to none of them come, as production's figures are
// of before the deletion: without an index each would read the whole table.
func (r *restore) indexOne(ctx context.Context, name string, columns []string) error {
	return r.production.exec(ctx, fmt.Sprintf("CREATE INDEX ON %s (%s); ANALYZE %[1]s", name, list("", columns)))
}

// dedupe leaves one staged row a key: several entries, or one entry in which a
// row was deleted twice, may ask for the same row. The last one stays.
func (r *restore) dedupe(ctx context.Context, name string, key []string, order string) (int64, error) {
	return r.production.affect(ctx, fmt.Sprintf(
		"DELETE FROM %[1]s WHERE ctid IN (SELECT ctid FROM (SELECT ctid, row_number() OVER (PARTITION BY %[2]s ORDER BY %[3]s) AS n FROM %[1]s) x WHERE n > 1)",
		name, list("", key), order))
}

// dedupeTable is dedupe for a table's staging: the latest deletion counts, and of a row
// that it removed several times what there was before it. Rows without a key may be
// there several times.
func (r *restore) dedupeTable(ctx context.Context, t *table) error {
	if len(t.key) == 0 {
		return nil
	}
	if _, err := r.dedupe(ctx, t.left, t.key, "ctid DESC"); err != nil {
		return err
	}
	_, err := r.dedupe(ctx, t.in, t.key, "rowback_feed, rowback_no, ctid DESC")
	return err
}
