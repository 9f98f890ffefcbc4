package recovery

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// compareLarge says which large objects that staged rows name, and that production has,
// hold other bytes there than in the recovery database: they were written since, or the
// number is another's by now. Nothing tells which; they are left as they are.
func (r *restore) compareLarge(ctx context.Context, numbers string) error {
	r.o.Progress.Start("comparing large objects", 0)
	err := r.production.exec(ctx, fmt.Sprintf("DECLARE rowback_large CURSOR WITH HOLD FOR SELECT loid::text FROM (%s) x WHERE EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata m WHERE m.oid = loid) ORDER BY loid", numbers))
	if err != nil {
		return err
	}
	var others []string
	n := int64(0)
	for {
		var some batch
		if err := r.production.each(ctx, fmt.Sprintf("FETCH %d FROM rowback_large", batchKeys), func(row []*string) error { some.add(row); return nil }); err != nil {
			return err
		}
		if some.n == 0 {
			break
		}
		hashes := fmt.Sprintf(`WITH RECURSIVE piece AS (
			SELECT m.oid AS loid, 0::int8 AS n, lo_get(m.oid, 0, %[1]d) AS data FROM %[2]s JOIN pg_catalog.pg_largeobject_metadata m ON m.oid = k01::oid
			UNION ALL SELECT loid, n + 1, lo_get(loid, (n + 1) * %[1]d, %[1]d) FROM piece WHERE length(data) = %[1]d)
			SELECT loid::text, string_agg(md5(data), '' ORDER BY n) FROM (SELECT * FROM piece OFFSET 0) x GROUP BY loid`, loPiece, some.sql("k"))
		here, err := r.hashed(ctx, r.production, hashes)
		if err != nil {
			return err
		}
		there, err := r.hashed(ctx, r.recovery, hashes)
		if err != nil {
			return err
		}
		for loid, hash := range here {
			if was, known := there[loid]; known && was != hash {
				if n++; len(others) < listed {
					others = append(others, loid)
				}
			}
		}
	}
	if n > 0 {
		r.warn(fmt.Sprintf("%s that rows name (%s): other bytes in production than in the recovery database; written since, or made anew under the number; they are left as they are, look whether they are the rows' own", plural(n, "large object"), strings.Join(others, ", ")))
	}
	return r.production.exec(ctx, "CLOSE rowback_large")
}

// hashed runs a query for hashes by number. Where the role may not read the objects
// none is known, and it is said.
func (r *restore) hashed(ctx context.Context, s *side, sql string) (map[string]string, error) {
	out := map[string]string{}
	begin, end := "BEGIN", "ROLLBACK"
	if s == r.recovery { // in its one transaction
		begin, end = "SAVEPOINT rowback_hash", "ROLLBACK TO rowback_hash"
	}
	if err := s.exec(ctx, begin); err != nil {
		return nil, err
	}
	err := s.each(ctx, sql, func(row []*string) error { out[*row[0]] = *row[1]; return nil })
	if back := s.exec(ctx, end); back != nil {
		return nil, back
	}
	var refused *Refusal
	if errors.As(err, &refused) && refused.Kind == Denied {
		r.warn("large objects that rows name are in production, and this role may not read them all in the " + s.name + " database: whether they are what they were is not known")
		return map[string]string{}, nil
	}
	return out, err
}
