package recovery

import (
	"context"
	"fmt"
	"strings"
)

// loPiece is how many bytes of a large object travel in one row.
const loPiece = 1 << 18

const loStaged = "pg_temp.rowback_large"

// loColumns are t's columns that may hold the number of a large object: of type
// oid, or a domain over it (lo).
func (t *table) loColumns() (out []string) {
	for _, c := range t.columns {
		if t.detail.columns[c].bare == "oid" {
			out = append(out, c)
		}
	}
	return out
}

// loNumbers is a query for the numbers that staged rows hold, each once; "" if none can.
func (r *restore) loNumbers() string {
	var out []string
	for _, t := range r.tables {
		for _, c := range t.loColumns() {
			out = append(out, fmt.Sprintf("SELECT DISTINCT %s::oid AS loid FROM %s WHERE %[1]s <> 0", quote(c), t.in))
		}
	}
	return strings.Join(out, " UNION ")
}

// collectLarge brings over the large objects that staged rows name and that
// production has not. One that is there is left as it is.
func (r *restore) collectLarge(ctx context.Context) error {
	numbers := r.loNumbers()
	if numbers == "" {
		return nil
	}
	if r.recovery == nil {
		return r.missLarge(ctx)
	}
	r.o.Progress.Start("collecting large objects", 0)
	err := r.production.exec(ctx, fmt.Sprintf("CREATE TEMP TABLE %s (loid oid, n bigint, data bytea); DECLARE rowback_large CURSOR WITH HOLD FOR SELECT loid::text FROM (%s) x WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = loid)", local(loStaged), numbers))
	if err != nil {
		return err
	}
	r.large = true
	var some batch
	for {
		some.reset()
		err := r.production.each(ctx, fmt.Sprintf("FETCH %d FROM rowback_large", batchKeys), func(row []*string) error { some.add(row); return nil })
		if err != nil {
			return err
		}
		if some.n == 0 {
			if err := r.production.exec(ctx, "CLOSE rowback_large"); err != nil {
				return err
			}
			return r.compareLarge(ctx, numbers)
		}
		_, err = pipe(ctx, r.recovery, fmt.Sprintf(`COPY (WITH RECURSIVE piece AS (
			SELECT m.oid AS loid, 0::int8 AS n, lo_get(m.oid, 0, %[1]d) AS data FROM %[2]s JOIN pg_catalog.pg_largeobject_metadata m ON m.oid = k01::oid
			UNION ALL SELECT loid, n + 1, lo_get(loid, (n + 1) * %[1]d, %[1]d) FROM piece WHERE length(data) = %[1]d) SELECT * FROM piece) TO STDOUT (FORMAT binary)`, loPiece, some.sql("k")),
			r.production, "COPY "+loStaged+" FROM STDIN (FORMAT binary)")
		if err != nil {
			return fmt.Errorf("collecting large objects: %w", err)
		}
	}
}

// missLarge says which rows name large objects that only a recovery database
// could bring back. A plain oid may be anything's number.
func (r *restore) missLarge(ctx context.Context) error {
	for _, t := range r.tables {
		for _, c := range t.loColumns() {
			if t.live.Column(c).Type == "oid" {
				continue
			}
			n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s::oid <> 0 AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = %[2]s::oid)", t.in, quote(c)))
			if err != nil {
				return err
			}
			if n > 0 {
				r.warn(fmt.Sprintf("%s of %s name large objects (%s) that are gone; images do not hold those: name a --recovery database that has them", plural(n, "row"), t.name(), c))
			}
		}
	}
	return nil
}

// insertLarge makes those large objects again, under their numbers, that the
// rows to be inserted name, and proves them equal byte for byte.
func (r *restore) insertLarge(ctx context.Context) ([]Check, error) {
	numbers := r.loNumbers()
	if !r.large || numbers == "" {
		return nil, nil
	}
	ours := fmt.Sprintf("loid IN (%s)", numbers)
	n, err := r.production.number(ctx, fmt.Sprintf("SELECT count(lo_create(loid)) FROM (SELECT loid FROM %s l WHERE n = 0 AND %s AND NOT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = loid) OFFSET 0) x", loStaged, ours))
	if err != nil || n == 0 {
		return nil, err
	}
	// Only what this transaction made is written to.
	made := fmt.Sprintf("%s AND EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = loid AND m.xmin = pg_current_xact_id()::xid)", ours)
	if err := r.production.exec(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT lo_put(loid, n * %d, data) FROM %s WHERE %s OFFSET 0) x", loPiece, loStaged, made)); err != nil {
		return nil, err
	}
	bad, err := r.production.number(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s AND lo_get(loid, n * %d, %[3]d) IS DISTINCT FROM data", loStaged, made, loPiece))
	if err != nil {
		return nil, err
	}
	r.warn(fmt.Sprintf("%s came back with the rows that name them; they belong to the role of this restore, without grants to others", plural(n, "large object")))
	c := Check{Name: "large objects equal", OK: bad == 0, Detail: fmt.Sprintf("%d made, %d pieces differ from the recovery database's", n, bad)}
	if !c.OK {
		return []Check{c}, fmt.Errorf("%w: %s: %s", ErrUnverified, c.Name, c.Detail)
	}
	return []Check{c}, nil
}
