package pgjournal

import (
	"context"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// Gather implements journal.Journal.
func (j *shared) Gather(dir string) *journal.Keys { return journal.NewGather(dir, j.options.Key) }

func (j *shared) Append(ctx context.Context, e *journal.Entry, keys *journal.Keys) (err error) {
	body, count, err := journal.EncodeEntry(e, keys, j.options.Key)
	if err != nil {
		return err
	}
	r := storing{entry: e, body: body, count: count, keys: keys, size: int64(len(body))}
	if r.size, r.images, err = sizeOf(keys, r.size); err != nil {
		return err
	}
	defer func() {
		if err == nil && r.last {
			if err := j.extend(context.WithoutCancel(ctx)); err != nil { // whoever finds none tries again
				j.options.Logger.Warn("the journal's next partition could not be made yet", "journal", j.where, "error", err)
			}
		}
	}()
	return j.write(ctx, r.size, func(ctx context.Context, c *pgx.Conn, again bool) error {
		err := r.insert(ctx, c)
		switch {
		case !isUnique(err):
			return err
		case !again:
			return journal.Exists(journal.AnEntry, e.ID)
		}
		return stored(ctx, c, journal.AnEntry, "entry", clean(e.ID), body)
	})
}

// stored is for a write whose answer was lost, and that finds its ID taken: by
// itself, if body is what is there. Then what makes it durable is made sure of: a
// commit whose wait for the disk or a standby was cut short can be seen, too.
func stored(ctx context.Context, c *pgx.Conn, n journal.Noun, table, id string, body []byte) error {
	var is string
	if err := c.QueryRow(ctx, "SELECT body::text FROM "+table+" WHERE id = $1", id).Scan(&is); err != nil {
		return err
	}
	if is != string(body) {
		return journal.Exists(n, id)
	}
	return touch(ctx, c, "")
}

func (j *shared) Settle(ctx context.Context, id string, o journal.Outcome) error {
	if err := journal.CheckOutcome(o); err != nil {
		return err
	}
	return j.writeBriefly(ctx, func(ctx context.Context, c *pgx.Conn) error {
		done, err := c.Exec(ctx, "UPDATE entry SET outcome = $1 FROM "+relaxed+" WHERE id = $2 AND outcome IN ('in_doubt', $1)", string(o), clean(id))
		if err != nil || done.RowsAffected() > 0 {
			return err
		}
		return whyNotSettled(ctx, c, id)
	})
}

func whyNotSettled(ctx context.Context, c *pgx.Conn, id string) error {
	var is journal.Outcome
	err := c.QueryRow(ctx, "SELECT outcome FROM entry WHERE id = $1", clean(id)).Scan(&is)
	if errors.Is(err, pgx.ErrNoRows) {
		return journal.NotFound(journal.AnEntry, id)
	}
	if err != nil {
		return err
	}
	return journal.Settled(id, is)
}

func (j *shared) Prepared(ctx context.Context, id string, s journal.Server) error {
	return j.writeBriefly(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var body string
		err := c.QueryRow(ctx, "SELECT body::text FROM entry WHERE id = $1 AND outcome = 'in_doubt'", clean(id)).Scan(&body)
		if errors.Is(err, pgx.ErrNoRows) {
			return whyNotSettled(ctx, c, id)
		}
		if err != nil {
			return err
		}
		with, err := journal.EncodePrepared(id, []byte(body), s)
		if err != nil {
			return err
		}
		// Of several proxies that have seen the same, each writes the same.
		_, err = c.Exec(ctx, "UPDATE entry SET body = $1::text::json FROM "+relaxed+" WHERE id = $2", string(with), clean(id))
		return err
	})
}

// relaxed, in a FROM, makes the statement's own commit not wait for the disk.
const relaxed = "(SELECT pg_catalog.set_config('synchronous_commit', 'off', true)) AS relaxed"

// clean is a text as PostgreSQL takes it: UTF-8, no NUL. The body has it as it is.
func clean(s string) string {
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", "\uFFFD"), "\uFFFD")
}
