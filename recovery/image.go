package recovery

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/journal"
)

// imageFeed brings the images of one source table into the table that they go to.
type imageFeed struct {
	n      int // of the source table, in Source.Tables
	st     *journal.Table
	t      *table
	staged string // temporary table with the types that the rows had
	kind   int
	before bool   // it has its columns' names of before they were renamed
	after  bool   // or of after; neither: some so, some so
	filled int    // the kind of rows that the recovery database had all of fills for; 0: not asked
	fills  []fill // in their order

	columns []string // of t, in the order of values
	values  []string // over row i of staged and the expressions x
	casts   []imageCast
	pending []byte // tuples in COPY's binary form, not yet sent
	rows    int64  // in pending
}

// imageCast is a column whose type is another one now.
type imageCast struct{ column, there, back, was, is string }

// addImages makes the images of source table i a source of t. What of a row they
// do not have is said.
func (r *restore) addImages(ctx context.Context, i int, st *journal.Table, t *table) error {
	f := &imageFeed{n: i, st: st, t: t, staged: fmt.Sprintf("pg_temp.rowback_image_%d", i+1)}
	if err := f.settleNames(t); err != nil {
		return err
	}
	if err := r.makeImageStaging(ctx, f); err != nil {
		return err
	}
	problems, err := r.matchImages(ctx, f)
	if err != nil {
		return err
	}
	for _, k := range t.key {
		if !slices.Contains(f.columns, k) && !t.makes(k, f.columns) {
			problems = append(problems, fmt.Sprintf("key column %s.%s is not in the journal's images of its rows", t.name(), k))
		}
	}
	if len(problems) > 0 {
		return fmt.Errorf("%s", strings.Join(problems, "\n  - "))
	}
	f.kind = t.kind(f.columns)
	r.addFills(f)
	t.images = append(t.images, f)
	r.images[i] = f
	return nil
}

// makeImageStaging makes the table that images are loaded into, with the types
// that the rows had.
func (r *restore) makeImageStaging(ctx context.Context, f *imageFeed) error {
	columns := []string{"rowback_no int8 GENERATED ALWAYS AS IDENTITY"}
	for _, c := range f.st.Columns {
		kind := c.Type
		if c.Text {
			kind = "text"
		} else if known, err := r.production.number(ctx, "SELECT (to_regtype("+literal(kind)+") IS NOT NULL)::int"); err != nil || known == 0 {
			if err != nil {
				return err
			}
			return fmt.Errorf("%s.%s was of type %s, which production has not any more: rows from the journal's images cannot be read; make that type, or name a --recovery database and leave the images out with --no-images", f.t.name(), c.Name, kind)
		}
		columns = append(columns, quote(c.Name)+" "+kind)
	}
	return r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s (%s)", local(f.staged), strings.Join(columns, ", ")))
}

// matchImages settles what each column of the live table gets from an image.
func (r *restore) matchImages(ctx context.Context, f *imageFeed) (problems []string, err error) {
	t := f.t
	types, err := r.stagedTypes(ctx, f)
	if err != nil {
		return nil, err
	}
	used := map[string]bool{}
	for _, c := range t.live.Columns {
		if c.Generated {
			continue
		}
		if sql := t.config.Columns[c.Name]; sql != "" {
			f.columns, f.values = append(f.columns, c.Name), append(f.values, fmt.Sprintf("x.rowback_x%d", len(f.columns)))
			r.warn(fmt.Sprintf("%s.%s is made from the row's image by the configuration: %s", t.name(), c.Name, sql))
			continue
		}
		had := f.column(c.Name)
		if had == nil {
			problem := r.lackingImage(f, c)
			if problem != "" {
				problems = append(problems, problem)
			}
			continue
		}
		used[had.Name] = true
		if had.Name != c.Name {
			r.warn(fmt.Sprintf("%s.%s takes the values that %s had, as the configuration says", t.name(), c.Name, had.Name))
		}
		if reshaped, err := r.reshaped(ctx, had, c); err != nil {
			return nil, err
		} else if reshaped {
			problems = append(problems, t.reshaped(c, "for certain as when the rows went"))
			continue
		}
		value, there := "i."+quote(had.Name), ""
		if had.Text || had.Type != c.Type {
			there = fmt.Sprintf("%s::%s", value, c.Type)
		}
		if had.Type != c.Type {
			from, to := types[had.Name].bare, t.detail.columns[c.Name].bare
			back := had.Type
			if had.Text {
				from, back = "text", "text"
			}
			ok, err := r.assignable(ctx, from, to)
			if err != nil {
				return nil, err
			}
			if !ok {
				problems = append(problems, fmt.Sprintf("%s.%s was %s when the rows went and is %s in production; values may not survive that conversion. %s", t.name(), c.Name, had.Type, c.Type, t.howToConvert(c.Name)))
				continue
			}
			f.casts = append(f.casts, imageCast{column: c.Name, there: there, back: fmt.Sprintf("(%s)::%s::text IS DISTINCT FROM %s::text", there, back, value), was: had.Type, is: c.Type})
			r.warn(fmt.Sprintf("%s.%s: %s when the rows went, %s in production; converted", t.name(), c.Name, had.Type, c.Type))
		}
		if there != "" {
			value = there
		}
		f.columns, f.values = append(f.columns, c.Name), append(f.values, value)
	}
	for _, c := range f.st.Columns {
		if !used[c.Name] && t.config.Columns[c.Name] == "" {
			r.warn(fmt.Sprintf("%s.%s exists only in the journal's images; its values are left out", t.name(), c.Name))
		}
	}
	return problems, nil
}

// reshaped: the attributes of the column's composite type are not what they were when
// the rows went. Of images that do not say what they were, it is so if any has been dropped.
func (r *restore) reshaped(ctx context.Context, had *journal.ImageColumn, c catalog.Column) (bool, error) {
	if c.Shape == "" || had.Shape != "" {
		return had.Shape != c.Shape && c.Shape != "", nil
	}
	n, err := r.production.number(ctx, `WITH RECURSIVE s (typ) AS (SELECT to_regtype(`+literal(c.Type)+`)::oid UNION
		SELECT m.typ FROM s JOIN pg_type p ON p.oid = s.typ CROSS JOIN LATERAL (
			SELECT p.typbasetype UNION ALL SELECT p.typelem UNION ALL SELECT r.rngsubtype FROM pg_range r WHERE r.rngtypid = p.oid
			UNION ALL SELECT a.atttypid FROM pg_attribute a WHERE a.attrelid = p.typrelid AND a.attnum > 0) m (typ))
		SELECT count(*) FROM s JOIN pg_type p ON p.oid = s.typ JOIN pg_attribute a ON a.attrelid = p.typrelid WHERE a.attisdropped`)
	return n > 0, err
}

// stagedTypes are the types of the loaded images' columns.
func (r *restore) stagedTypes(ctx context.Context, f *imageFeed) (map[string]columnDetail, error) {
	oid, err := r.production.number(ctx, "SELECT "+literal(f.staged)+"::regclass::oid::int8")
	if err != nil {
		return nil, err
	}
	if err := r.production.describe(ctx, &catalog.Table{OID: uint32(oid)}); err != nil {
		return nil, err
	}
	return r.production.detail[uint32(oid)].columns, nil
}

// column is the image's column for the live column c, under its old name perhaps.
func (f *imageFeed) column(c string) *journal.ImageColumn {
	for _, name := range f.names(c) {
		for i := range f.st.Columns {
			if f.st.Columns[i].Name == name {
				return &f.st.Columns[i]
			}
		}
	}
	return nil
}

// lackingImage is about a live column that the images have no values for.
func (r *restore) lackingImage(f *imageFeed, c catalog.Column) (problem string) {
	t := f.t
	if f.excluded(c.Name) {
		if r.backupHas(t, c.Name) {
			r.warn(fmt.Sprintf("column %s.%s is kept out of the journal's images by the policy; rows get it from the recovery database as far as it has them", t.name(), c.Name))
			return "" // of rows that it has not, refuseUnknown speaks
		}
		if c.NotNull && !t.detail.columns[c.Name].hasDef {
			return fmt.Sprintf("column %s.%s is kept out of the journal's images by the policy, is NOT NULL and has no default; name a --recovery database that has the rows, or say what it gets in the configuration: restore: {tables: {%[1]s: {columns: {%[2]s: SQL}}}}", t.name(), c.Name)
		}
		r.warn(fmt.Sprintf("column %s.%s is kept out of the journal's images by the policy; restored rows get its default, or NULL", t.name(), c.Name))
		return ""
	}
	if r.backupHas(t, c.Name) {
		r.warn(fmt.Sprintf("column %s.%s is not in the journal's images; rows that are otherwise as in the recovery database get it from there, others get its default, or NULL", t.name(), c.Name))
		return "" // refuseUnknown likewise
	}
	problems, warnings := t.lackingIn("the journal's images", c)
	r.warn(warnings...)
	return strings.Join(problems, "\n  - ")
}

func (f *imageFeed) excluded(c string) bool {
	return slices.ContainsFunc(f.names(c), func(name string) bool { return slices.Contains(f.st.Excluded, name) })
}

// backupHas: the recovery database gives values for the column.
func (r *restore) backupHas(t *table, c string) bool {
	return t.backup != nil && len(t.key) > 0 && slices.Contains(t.fetched, c)
}

// refuseUnknown refuses rows of which a column is not known that must have a value.
func (r *restore) refuseUnknown(ctx context.Context, t *table) (problems []string, err error) {
	for _, k := range t.used {
		for _, c := range t.live.Columns {
			if k == 0 || !c.NotNull || c.Generated || t.detail.columns[c.Name].hasDef || slices.Contains(t.kinds[k], c.Name) {
				continue
			}
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE rowback_kind = %d", t.in, k))
			if err != nil {
				return nil, err
			}
			if n > 0 {
				problems = append(problems, fmt.Sprintf("%s.%s is NOT NULL and has no default, and neither the journal's images nor the recovery database have a value for %s; say what it gets in the configuration: restore: {tables: {%[1]s: {columns: {%[2]s: SQL}}}}", t.name(), c.Name, plural(n, "row")))
			}
		}
	}
	return problems, nil
}
