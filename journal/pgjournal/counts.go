package pgjournal

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// lockCounts makes those who count the same wait for each other: without it
// neither of two would see what the other is about to write.
const lockCounts = `SELECT pg_catalog.pg_advisory_xact_lock(h) FROM (
	SELECT DISTINCT pg_catalog.hashtextextended(x.rule || chr(1) || x.key, 0) AS h FROM unnest($1::text[], $2::text[]) AS x (rule, key) ORDER BY h
) AS locks`

const putCounts = `INSERT INTO count_pending (rule, key, per, tx, proxy, rows, at)
	SELECT x.rule, x.key, x.per, $5, $6, x.rows, pg_catalog.clock_timestamp() FROM ` + relaxed + `, unnest($1::text[], $2::text[], $3::float8[], $4::bigint[]) AS x (rule, key, per, rows)
	ON CONFLICT (rule, key, per, tx) DO UPDATE SET rows = excluded.rows, at = excluded.at`

const sumCounts = `SELECT (
		coalesce((SELECT sum(p.rows) FROM count_pending p WHERE p.rule = x.rule AND p.key = x.key AND p.per = x.per), 0) +
		coalesce((SELECT sum(p.rows) FROM count_past p WHERE p.rule = x.rule AND p.key = x.key AND p.per = x.per
			AND p.upto > pg_catalog.clock_timestamp() - make_interval(secs => x.per)), 0)
	)::bigint FROM unnest($1::text[], $2::text[], $3::float8[]) WITH ORDINALITY AS x (rule, key, per, n) ORDER BY x.n`

// toPast is the rest of an INSERT INTO count_past of rows from gone, which ended
// at at. A window is divided into 60 parts, and times are rounded up.
const toPast = `INSERT INTO count_past (rule, key, per, upto, rows)
	SELECT rule, key, per, to_timestamp(ceil(extract(epoch FROM at) / (per / 60)) * (per / 60)), sum(rows) FROM gone WHERE rows > 0 GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
	ON CONFLICT (rule, key, per, upto) DO UPDATE SET rows = `

func (j *shared) Count(ctx context.Context, tx string, counts []journal.Count) (sums []int64, err error) {
	rules, keys, pers, rows := columns(counts)
	err = j.writeBriefly(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch // one transaction, one exchange
		b.Queue(lockCounts, rules, keys)
		b.Queue(putCounts, rules, keys, pers, rows, tx, clean(j.options.Proxy))
		b.Queue(sumCounts, rules, keys, pers).Query(func(rows pgx.Rows) (err error) {
			sums, err = pgx.CollectRows(rows, pgx.RowTo[int64])
			return err
		})
		return c.SendBatch(ctx, &b).Close()
	})
	return sums, err
}

func columns(counts []journal.Count) (rules, keys []string, pers []float64, rows []int64) {
	for _, n := range counts {
		rules, keys, pers, rows = append(rules, clean(n.Rule)), append(keys, clean(n.Key)), append(pers, n.Per.Seconds()), append(rows, n.Rows)
	}
	return rules, keys, pers, rows
}

func (j *shared) EndCount(ctx context.Context, tx string, committed bool) error {
	return j.writeBriefly(ctx, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, `WITH gone AS (
			DELETE FROM count_pending USING `+relaxed+` WHERE tx = $1 RETURNING rule, key, per, CASE WHEN $2 THEN rows ELSE 0 END AS rows, pg_catalog.clock_timestamp() AS at
		) `+toPast+`count_past.rows + excluded.rows`, tx, committed)
		return err
	})
}

func (j *shared) Recount(ctx context.Context, rules []string, read func() ([]journal.PastCount, error)) error {
	var began time.Time
	asking, cancel := context.WithTimeout(ctx, pingTimeout) // whether it is there shows here: what follows is long
	defer cancel()
	err := j.read(asking, func(ctx context.Context, c *pgx.Conn) error {
		return c.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&began)
	})
	if err != nil {
		return err
	}
	past, err := read()
	if err != nil {
		return err
	}
	var counts []journal.Count
	var at []time.Time
	for _, p := range past {
		counts, at = append(counts, p.Count), append(at, p.At)
	}
	names := make([]string, len(rules))
	for i, r := range rules {
		names[i] = clean(r)
	}
	of, keys, pers, rows := columns(counts)
	return j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		var b pgx.Batch
		b.Queue("DELETE FROM count_past WHERE rule = ANY ($1) AND upto <= $2", names, began)
		// Of the part of the window that was not over yet, both know something.
		b.Queue(`WITH gone AS (
			SELECT * FROM unnest($1::text[], $2::text[], $3::float8[], $4::bigint[], $5::timestamptz[]) AS x (rule, key, per, rows, at)
		) `+toPast+`greatest(count_past.rows, excluded.rows)`, of, keys, pers, rows, at)
		return c.SendBatch(ctx, &b).Close()
	})
}

func (j *shared) KeepCounts(ctx context.Context, active []string) error {
	if active == nil {
		active = []string{}
	}
	return j.writeBriefly(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var b pgx.Batch
		// What has only just begun may not be in active yet.
		b.Queue(`WITH gone AS (
			DELETE FROM count_pending p USING `+relaxed+` WHERE p.at < pg_catalog.clock_timestamp() - interval '10 s' AND p.proxy = $2 AND p.tx <> ALL ($3::text[])
			OR p.proxy NOT IN (`+aliveNames+`) RETURNING p.rule, p.key, p.per, p.rows, p.at
		) `+toPast+`count_past.rows + excluded.rows`, int64(presenceClass), clean(j.options.Proxy), active)
		b.Queue("DELETE FROM count_past WHERE upto < pg_catalog.clock_timestamp() - make_interval(secs => per)")
		return c.SendBatch(ctx, &b).Close()
	})
}
