package recovery

import (
	"context"
	"fmt"
	"regexp"
	"strings"
)

// copyColumn finds the column in the context of an error of COPY.
var copyColumn = regexp.MustCompile(`line \d+, column ([^:]+)`)

// castable says of each column whose type differs between the sides whether
// production would take the one for the other in an assignment, or reads text
// as it. That every single value comes through is proved when it is converted;
// see settle.
func (r *restore) castable(ctx context.Context, t *table, backup *detail) (map[string]bool, error) {
	out := map[string]bool{}
	for _, c := range t.live.Columns {
		b := t.backup.Column(t.was(c.Name))
		if b == nil || c.Generated || b.Type == c.Type {
			continue
		}
		var err error
		if out[c.Name], err = r.assignable(ctx, backup.columns[b.Name].bare, t.detail.columns[c.Name].bare); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// assignable: production takes a value of the one type for the other in an
// assignment, or reads text as it. Types are without modifiers and domains.
func (r *restore) assignable(ctx context.Context, from, to string) (bool, error) {
	if from == to {
		return true, nil
	}
	// What the server's time zone decides is nobody's value.
	if zoned(from) != zoned(to) && (temporal(from) && temporal(to)) {
		return false, nil
	}
	n, err := r.production.number(ctx, fmt.Sprintf(`
		SELECT count(*) FROM (SELECT to_regtype(%s) AS f, to_regtype(%s) AS t) x
		JOIN pg_catalog.pg_type tt ON tt.oid = x.t LEFT JOIN pg_catalog.pg_type ft ON ft.oid = x.f
		WHERE tt.typcategory = 'S' AND coalesce(ft.typtype, 'b') <> 'p'
		   OR ft.typcategory = 'S' AND (tt.typcategory = 'E' OR tt.typname = 'citext')
		   OR EXISTS (SELECT FROM pg_catalog.pg_cast WHERE castcontext IN ('i', 'a')
		        AND (castsource = x.f AND casttarget = x.t
		             OR ft.typcategory = 'A' AND tt.typcategory = 'A' AND castsource = ft.typelem AND casttarget = tt.typelem))`, literal(from), literal(to)))
	return n > 0, err
}

func zoned(kind string) bool {
	return strings.HasSuffix(strings.TrimSuffix(kind, "[]"), "with time zone")
}

func temporal(kind string) bool {
	kind = strings.TrimSuffix(kind, "[]")
	return kind == "date" || strings.HasPrefix(kind, "time")
}

// unconvertible makes a value that production does not take a refusal that
// names its column. The message of the server may hold the value; it stays here.
func (r *restore) unconvertible(t *table, err error) error {
	code, column := sqlState(err), ""
	if !strings.HasPrefix(code, "22") && !strings.HasPrefix(code, "23") {
		return err
	}
	if at := copyColumn.FindStringSubmatch(sqlContext(err)); at != nil {
		column = "." + at[1]
	}
	what := "a value does not fit the type that it has in production"
	if code == "23514" {
		what = "a value breaks a constraint that its domain has in production"
	}
	return refuse(Unfit, fmt.Sprintf("rows of the recovery database do not fit %s%s: %s (SQLSTATE %s). Say how to convert it in the configuration: restore: {tables: {%[1]s: {columns: {COLUMN: SQL}}}}",
		t.name(), column, what, code))
}
