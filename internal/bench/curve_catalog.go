package main

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// catalogCurve is what the number of tables costs: the first DELETE that a proxy
// sees of a database, for which it reads the catalog, the first after a change of
// the catalog, for which it reads it again, and others.
func catalogCurve(l *lab) *growth {
	return &growth{
		curve: curve{Name: "Catalog size", X: "tables", Y: "ms",
			Note: "Time of a DELETE of one row by key: the first one in the database since the proxy began, the first after a CREATE TABLE in the same session, and any other."},
		measure: func(ctx context.Context, c *curve) error {
			for _, tables := range []int{10, 100, 1000, 10_000} {
				if err := l.manyTables(ctx, tables); err != nil {
					return err
				}
				first, refresh, other, err := l.looks(ctx, fmt.Sprintf("tables_%d", tables))
				if err != nil {
					return err
				}
				c.add("first statement", float64(tables), first)
				c.add("after a change", float64(tables), refresh)
				c.add("any other", float64(tables), other)
			}
			return nil
		},
	}
}

// manyTables makes a database; every second table references the one before.
func (l *lab) manyTables(ctx context.Context, tables int) error {
	name := fmt.Sprintf("tables_%d", tables)
	if err := l.execute(ctx, "postgres", "CREATE DATABASE "+name); err != nil {
		return err
	}
	return l.execute(ctx, name, fmt.Sprintf(`DO $$ BEGIN
		FOR i IN 1..%d LOOP
			EXECUTE 'CREATE TABLE t' || i || ' (id int PRIMARY KEY, other int' || CASE WHEN i %% 2 = 0 THEN ' REFERENCES t' || (i - 1) || ' ON DELETE CASCADE' ELSE '' END || ')';
		END LOOP;
	END $$`, tables), "ANALYZE pg_catalog.pg_class", "ANALYZE pg_catalog.pg_attribute", "ANALYZE pg_catalog.pg_constraint", "ANALYZE pg_catalog.pg_index")
}

// looks are times, ms: medians of the rounds, but of the first, of which there is one.
func (l *lab) looks(ctx context.Context, database string) (first, refresh, other float64, err error) {
	var refreshes, others []float64
	err = connected(ctx, l.block.URL(database), func(conn *pgx.Conn) error {
		took := func() (float64, error) {
			begun := time.Now()
			_, err := conn.PgConn().Exec(ctx, "DELETE FROM t1 WHERE id = 42").ReadAll()
			return float64(time.Since(begun)) / float64(time.Millisecond), err
		}
		if first, err = took(); err != nil {
			return err
		}
		for round := range l.rounds {
			if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE TABLE more_%d (id int PRIMARY KEY)", round)); err != nil {
				return err
			}
			ms, err := took()
			if err != nil {
				return err
			}
			refreshes = append(refreshes, ms)
			for range 5 {
				if ms, err = took(); err != nil {
					return err
				}
				others = append(others, ms)
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, 0, err
	}
	return first, middle(refreshes), middle(others), nil
}
