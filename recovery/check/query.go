package check

import (
	"context"
	"fmt"
	"strings"

	"github.com/rowback/rowback/recovery"
)

// queries runs the user's checks.
func (r *run) queries(ctx context.Context) error {
	if len(r.o.Queries) == 0 {
		return nil
	}
	if err := r.session.Exec(ctx, strings.ReplaceAll(tableScans, "off", "on")); err != nil {
		return err
	}
	return r.session.Own(ctx, func() error { return r.each(ctx) })
}

func (r *run) each(ctx context.Context) error {
	for _, q := range r.o.Queries {
		r.o.Progress.Start("checking "+q.Name, 0)
		err := r.one(ctx, Result{Kind: kindQuery, Name: q.Name}, func(x *Result) error { return r.query(ctx, q, x) })
		if err != nil {
			return err
		}
	}
	return nil
}

// query counts the rows that q returns and keeps a few. As a subquery, and in
// the extended protocol, it is one query and cannot end the transaction.
func (r *run) query(ctx context.Context, q Query, x *Result) error {
	limit := q.Limit
	if limit <= 0 {
		limit = r.o.Limit
	}
	text := strings.TrimRight(q.Query, "; \t\r\n")
	// The newline ends a comment in the query's last line.
	result := r.session.Conn().ExecParams(ctx, fmt.Sprintf("SELECT * FROM (%s\n) AS rowback_check", text), nil, nil, nil, nil)
	var columns []string
	for result.NextRow() {
		if x.Problems++; x.Problems > int64(limit) {
			continue
		}
		if columns == nil {
			for _, f := range result.FieldDescriptions() {
				columns = append(columns, f.Name)
			}
		}
		values := make([]*string, len(columns))
		for i, v := range result.Values() {
			if v != nil {
				s := string(v)
				values[i] = &s
			}
		}
		x.Rows = append(x.Rows, row(columns, values))
	}
	if _, err := result.Close(); err != nil {
		return r.session.Explain(err)
	}
	if x.Problems > 0 {
		x.Detail = recovery.Plural(x.Problems, "row") + " found"
	}
	return nil
}
