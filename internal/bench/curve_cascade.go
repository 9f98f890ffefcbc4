package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// cascadeRows are in each of the tables of a cascade, and all are removed.
const cascadeRows = 2000

// widthCurve is what each further child table costs.
func widthCurve(l *lab) *growth {
	return l.cascadeCurve("Cascade width", "child tables", "wide", []int{1, 2, 4, 8, 16}, func(int) int { return 0 })
}

// depthCurve is what each further generation costs.
func depthCurve(l *lab) *growth {
	return l.cascadeCurve("Cascade depth", "generations of children", "deep", []int{1, 2, 4, 8}, func(table int) int { return table - 1 })
}

// cascadeCurve: parent is the table that a table references, of tables counted from 0.
func (l *lab) cascadeCurve(name, x, schema string, sizes []int, parent func(int) int) *growth {
	return &growth{
		curve: curve{Name: name, X: x, Y: "ms",
			Note: fmt.Sprintf("Median time of a DELETE of %d rows, each with one row in each child table, keys captured.", cascadeRows)},
		measure: func(ctx context.Context, c *curve) error {
			if err := l.pgbenchTables(ctx); err != nil {
				return err
			}
			for _, n := range sizes {
				prefix := fmt.Sprintf("%s_%d", schema, n)
				var fill []string
				for t := range n + 1 {
					refers := ""
					if t > 0 {
						refers = fmt.Sprintf(" REFERENCES %s_%d ON DELETE CASCADE", prefix, parent(t))
					}
					if err := l.execute(ctx, pgbenchDatabase, fmt.Sprintf("CREATE TABLE %s_%d (id int PRIMARY KEY%s)", prefix, t, refers)); err != nil {
						return err
					}
					fill = append(fill, fmt.Sprintf("INSERT INTO %s_%d SELECT generate_series(1, %d)", prefix, t, cascadeRows), fmt.Sprintf("VACUUM ANALYZE %s_%d", prefix, t))
				}
				took := map[string][]float64{}
				for range l.rounds {
					for _, to := range []struct {
						name string
						way
					}{{"direct", l.server}, {"rowback", l.alert}} {
						if err := l.execute(ctx, pgbenchDatabase, fill...); err != nil {
							return err
						}
						ms, err := emptied(ctx, to.way, prefix+"_0")
						if err != nil {
							return err
						}
						took[to.name] = append(took[to.name], ms)
					}
				}
				for _, to := range []string{"direct", "rowback"} {
					c.add(to, float64(n), middle(took[to]))
				}
			}
			return nil
		},
	}
}

// emptied is the time of a DELETE of all rows of a table, ms.
func emptied(ctx context.Context, through way, table string) (ms float64, err error) {
	err = connected(ctx, through.URL(pgbenchDatabase), func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "DELETE FROM "+table+" WHERE id = -1"); err != nil { // reads the catalog
			return err
		}
		begun := time.Now()
		tag, err := conn.Exec(ctx, "DELETE FROM "+table+" WHERE id > 0")
		ms = float64(time.Since(begun)) / float64(time.Millisecond)
		if err == nil && tag.RowsAffected() != cascadeRows {
			err = fmt.Errorf("%d rows of %s were removed", tag.RowsAffected(), table)
		}
		return err
	})
	return ms, err
}
