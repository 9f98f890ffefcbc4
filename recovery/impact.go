package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
)

// ImpactRow says what one table lost against the recovery database.
type ImpactRow struct {
	Table  string `json:"table"` // schema.name
	Lost   int64  `json:"lost"`  // keys in the recovery database that production does not have
	Backup int64  `json:"backup"`
	Live   int64  `json:"live"`
}

// PercentLost is of the recovery database's rows.
func (r ImpactRow) PercentLost() float64 {
	if r.Backup == 0 {
		return 0
	}
	return 100 * float64(r.Lost) / float64(r.Backup)
}

// Impact compares tables (name, or schema.name) by key, each key with each: a
// difference of totals would hide losses behind newer rows. The keys of the
// recovery database go through a temporary table of the production session,
// which is dropped. The connections stay the caller's; neither may be in a
// transaction.
func Impact(ctx context.Context, production, recovery *pgx.Conn, tables []string) ([]ImpactRow, error) {
	live, backup := &side{name: "production", conn: production, detail: map[uint32]*detail{}}, &side{name: "recovery", conn: recovery}
	for _, s := range []*side{live, backup} {
		if err := s.load(ctx); err != nil {
			return nil, err
		}
	}
	var out []ImpactRow
	for _, name := range tables {
		schema, table, ok := strings.Cut(name, ".")
		if !ok {
			schema, table = "", name
		}
		l, err := find(live.catalog, schema, table)
		if err != nil {
			return nil, err
		}
		b, err := find(backup.catalog, l.Schema, l.Name)
		if err != nil {
			return nil, err
		}
		if len(l.Key) == 0 {
			return nil, fmt.Errorf("table %s has no identity key to compare by", display(l))
		}
		row, err := impactOf(ctx, live, backup, l, b)
		if err != nil {
			return nil, err
		}
		out = append(out, row)
	}
	return out, nil
}

func impactOf(ctx context.Context, live, backup *side, l, b *catalog.Table) (row ImpactRow, err error) {
	row.Table = display(l)
	if err := live.describe(ctx, l); err != nil {
		return row, err
	}
	err = live.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE rowback_impact AS SELECT %s FROM %s WITH NO DATA", list("", l.Key), l.QuotedName()))
	if err != nil {
		return row, err
	}
	defer func() {
		err = errors.Join(err, live.exec(context.WithoutCancel(ctx), "DROP TABLE pg_temp.rowback_impact"))
	}()
	row.Backup, err = pipe(ctx, backup, fmt.Sprintf("COPY (SELECT %s FROM %s) TO STDOUT", list("", l.Key), b.QuotedName()),
		live, "COPY pg_temp.rowback_impact FROM STDIN")
	if err != nil {
		return row, err
	}
	n, err := live.numbers(ctx, fmt.Sprintf("SELECT (SELECT count(*) FROM pg_temp.rowback_impact b WHERE NOT EXISTS (SELECT FROM %[1]s l WHERE %[2]s)), (SELECT count(*) FROM %[1]s)",
		l.QuotedName(), equal("l", l.Key, "b", l.Key, live.detail[l.OID].equals(l.Key)...)))
	if err != nil {
		return row, err
	}
	row.Lost, row.Live = n[0], n[1]
	return row, nil
}

// WriteImpact prints the impact table for people.
func WriteImpact(w io.Writer, rows []ImpactRow) {
	cells := [][]string{{"table", "records lost", "backup total", "live total", "% lost"}}
	for _, r := range rows {
		cells = append(cells, []string{r.Table, grouped(r.Lost), grouped(r.Backup), grouped(r.Live), fmt.Sprintf("%.2f", r.PercentLost())})
	}
	writeTable(w, cells)
}
