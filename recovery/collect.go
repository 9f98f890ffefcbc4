package recovery

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/catalog"
)

// collect reads the source once and brings the rows of its keys over, a batch
// of one table at a time.
func (r *restore) collect(ctx context.Context) error {
	r.o.Progress.Start("collecting", r.o.Source.total())
	held := 0 // bytes of keys in all pending batches
	for row, err := range r.o.Source.Rows {
		if err != nil {
			return fmt.Errorf("reading the keys: %w", err)
		}
		b, flush := r.feed(row.Table)
		if b == nil {
			continue
		}
		if t := r.feeds[row.Table]; t != nil && r.byFeed[row.Table] == nil {
			if len(t.images) > 0 && t.feed != row.Table && b.n > 0 { // whose keys they are decides between sources
				_, earlier := r.feed(t.feed)
				held -= b.bytes
				if err := earlier(ctx); err != nil {
					return err
				}
			}
			t.feed = row.Table
		}
		before := b.bytes
		b.add(row.Values)
		if err := r.collectMark(ctx, row); err != nil {
			return err
		}
		held += b.bytes - before
		if b.full() || held > 4*batchBytes {
			held -= b.bytes
			if err := flush(ctx); err != nil {
				return err
			}
		}
	}
	for i := range r.o.Source.Tables {
		if b, flush := r.feed(i); b != nil && b.n > 0 {
			if err := flush(ctx); err != nil {
				return err
			}
		}
		if err := r.stageMarks(ctx, i); err != nil {
			return err
		}
	}
	if err := r.collectImages(ctx); err != nil {
		return err
	}
	if err := r.merge(ctx); err != nil {
		return err
	}
	return r.tidy(ctx)
}

// feed is the batch that source table i fills, and what empties it.
func (r *restore) feed(i int) (*batch, func(context.Context) error) {
	if l := r.byFeed[i]; l != nil {
		return &l.pending, func(ctx context.Context) error {
			defer r.o.Progress.Add(int64(l.pending.n))
			return r.stageLink(ctx, l)
		}
	}
	t := r.feeds[i]
	if t == nil {
		return nil, nil
	}
	return &t.pending, func(ctx context.Context) error {
		defer t.pending.reset()
		n := t.pending.n
		err := r.fetch(ctx, t, r.order[i], i)
		r.o.Progress.Add(int64(n))
		return err
	}
}

// fetch copies the rows of t whose columns equal a key of the pending batch
// from the recovery database into t's staging. Keys that the recovery database does
// not have are kept as missing, but for those of parents (lastFeed), and of rows that
// have images.
func (r *restore) fetch(ctx context.Context, t *table, columns []string, feed int) error {
	note := feed != lastFeed && r.images[feed] == nil
	if t.backup == nil {
		if !note {
			return nil
		}
		return r.noteMissing(ctx, t, columns, feed)
	}
	if len(t.images) > 0 {
		of := lastFeed
		if note {
			of = feed
		}
		if err := r.production.exec(ctx, fmt.Sprintf("ALTER TABLE %s ALTER rowback_feed SET DEFAULT %d", t.in, of)); err != nil {
			return err
		}
	}
	var on []string
	k := positions("k", len(columns))
	for i, c := range columns {
		on = append(on, r.isKey(t, c, "k."+k[i]))
	}
	keys, where := t.pending.sql("k"), strings.Join(on, " AND ")
	found := fmt.Sprintf("FROM %s b JOIN %s ON %s%s", only(t.backup), keys, where, t.computed())
	filter, left := "", ""
	if t.config.Where != "" {
		filter, left = " WHERE x.rowback_where", " WHERE NOT x.rowback_where"
	}
	target, format := t.in, "text"
	if t.land != "" {
		target = t.land
	} else if t.binary {
		format = "binary"
	}
	out := fmt.Sprintf("COPY (SELECT %s %s%s) TO STDOUT (FORMAT %s)", strings.Join(t.items, ", "), found, filter, format)
	in := fmt.Sprintf("COPY %s (%s) FROM STDIN (FORMAT %s)", target, list("", t.fetched), format)
	n, err := r.pipeRows(ctx, t, out, in)
	if err != nil {
		err = fmt.Errorf("collecting rows of %s: %w", t.name(), err)
		if code := sqlState(err); r.o.Source.fromFile() && (strings.HasPrefix(code, "22") || code == "08P01") { // data exception; a zero byte
			var said *pgconn.PgError
			_ = errors.As(err, &said) // it has a code, so there is one
			return refuse(Usage, fmt.Sprintf("%s is no value of %s (%s): %s; correct it there", r.o.Source.keyWith(said.Message), t.name(), strings.Join(columns, ", "), said.Message))
		}
		return r.unconvertible(t, err)
	}
	if err := r.settle(ctx, t); err != nil {
		return err
	}
	if !note || n >= int64(t.pending.n) {
		return nil
	}
	noted := fmt.Sprintf("COPY %s (%s, rowback_class, rowback_reason, rowback_feed) FROM STDIN", t.left, list("", columns))
	if left != "" {
		filtered := fmt.Sprintf("COPY (SELECT %s, '%s', 'left out by the configuration', %d %s%s) TO STDOUT", strings.Join(k, ", "), classFiltered, feed, found, left)
		if _, err = r.pipeRows(ctx, t, filtered, noted); err != nil {
			return err
		}
	}
	absent := fmt.Sprintf("COPY (SELECT %s, '%s', 'not in the recovery database', %d FROM %s WHERE NOT EXISTS (SELECT FROM %s b WHERE %s)) TO STDOUT",
		strings.Join(k, ", "), classMissing, feed, keys, only(t.backup), where)
	_, err = pipe(ctx, r.recovery, absent, r.production, noted)
	return err
}

// noteMissing keeps the pending keys as missing: there is nowhere to look for their rows.
func (r *restore) noteMissing(ctx context.Context, t *table, columns []string, feed int) error {
	var values []string
	for i, k := range positions("k", len(columns)) {
		values = append(values, "k."+k+"::"+t.detail.columns[columns[i]].bare)
	}
	return r.production.exec(ctx, fmt.Sprintf("INSERT INTO %s (%s, rowback_class, rowback_reason, rowback_feed) SELECT %s, '%s', %s, %d FROM %s",
		t.left, list("", columns), strings.Join(values, ", "), classMissing, literal("no image of it in the journal, and "+t.noBackup), feed, t.pending.sql("k")))
}

// pipeRows is pipe for what is read of t by the configuration's expressions, too.
func (r *restore) pipeRows(ctx context.Context, t *table, out, in string) (n int64, err error) {
	if !t.configured() {
		return pipe(ctx, r.recovery, out, r.production, in)
	}
	err = r.recovery.own(ctx, func() error {
		n, err = pipe(ctx, r.recovery, out, r.production, in)
		return err
	})
	return n, err
}

// configured: the configuration has SQL over t's rows.
func (t *table) configured() bool { return t.config.Where != "" || len(t.config.Columns) > 0 }

// computed adds x to a FROM item b of the recovery database: the values of the
// configuration's expressions over b's row. These know the row's columns alone,
// and its table by name.
func (t *table) computed() string { return t.computedOver("b", t.backup.Name, t.fetched) }

// computedOver is computed for rows of an alias with these columns; name is the
// table's in the expressions.
func (t *table) computedOver(alias, name string, columns []string) string {
	var exprs []string
	for i, c := range columns {
		if sql := t.config.Columns[c]; sql != "" {
			exprs = append(exprs, fmt.Sprintf("(%s) AS rowback_x%d", sql, i))
		}
	}
	if t.config.Where != "" {
		exprs = append(exprs, "(("+t.config.Where+") IS TRUE) AS rowback_where")
	}
	if len(exprs) == 0 {
		return ""
	}
	return fmt.Sprintf(" CROSS JOIN LATERAL (SELECT %s FROM (SELECT %s.*) AS %s) x", strings.Join(exprs, ", "), alias, quote(name))
}

// isKey is the condition that column c of row b in the recovery database has
// the value that production printed as the text k. The cast must not make
// another row's value of it: by a length or precision that was smaller then, or
// a type or collation that was coarser.
func (r *restore) isKey(t *table, c, k string) string {
	there := r.recovery.detail[t.backup.OID]
	live, backup, same := t.detail.columns[c], there.columns[t.was(c)], there.equal(t.was(c))
	b := "b." + quote(t.was(c))
	switch {
	case backup.enum: // may lack the label
		return b + "::text = " + k
	case live.bare != backup.bare:
		return same.SQL(b, k+"::"+backup.bare) + " AND " + catalog.Comparison{}.SQL(b+"::text::"+live.bare, k+"::"+live.bare)
	case live.collate != backup.collate: // the backup's may take more for equal
		const c = ` COLLATE pg_catalog."C"`
		return same.SQL(b, k+"::"+backup.bare) + " AND " + same.SQL(b+c, k+"::"+backup.bare+c)
	}
	return same.SQL(b, k+"::"+backup.bare)
}

// pipe runs COPY … TO STDOUT on one side into COPY … FROM STDIN on the other;
// the bytes are not looked at. It returns when both have ended.
func pipe(ctx context.Context, from *side, out string, to *side, in string) (int64, error) {
	pr, pw := io.Pipe()
	sent := make(chan error, 1)
	var tag pgconn.CommandTag
	go func() {
		var err error
		tag, err = from.conn.PgConn().CopyTo(ctx, pw, out)
		_ = pw.CloseWithError(err) // nil: io.EOF
		sent <- err
	}()
	got, err := to.conn.PgConn().CopyFrom(ctx, pr, in)
	_ = pr.CloseWithError(io.ErrClosedPipe) // unblocks the sender if the receiver gave up
	sendErr := <-sent
	switch {
	case sendErr != nil && !errors.Is(sendErr, io.ErrClosedPipe):
		return 0, from.explain(sendErr)
	case err != nil:
		return 0, to.explain(err)
	case got.RowsAffected() != tag.RowsAffected():
		return 0, fmt.Errorf("%d rows left the %s database, %d arrived in %s", tag.RowsAffected(), from.name, got.RowsAffected(), to.name)
	}
	return got.RowsAffected(), nil
}

// tidy drops repeated keys and counts what was asked for.
func (r *restore) tidy(ctx context.Context) error {
	for _, t := range r.tables {
		if err := r.dedupeTable(ctx, t); err != nil {
			return err
		}
		n, err := r.production.numbers(ctx, fmt.Sprintf("SELECT (SELECT count(*) FROM %s), (SELECT count(*) FROM %s)", t.in, t.left))
		if err != nil {
			return err
		}
		t.count.Requested = n[0] + n[1]
	}
	for _, l := range r.links {
		if _, err := r.dedupe(ctx, l.staged, l.keys(), "ctid DESC"); err != nil {
			return err
		}
	}
	return nil
}
