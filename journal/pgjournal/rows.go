package pgjournal

import (
	"context"
	"errors"
	"iter"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

func (j *shared) Rows(ctx context.Context, id string) iter.Seq2[journal.Row, error] {
	return func(yield func(journal.Row, error) bool) {
		r, err := j.find(ctx, id)
		if err != nil {
			yield(journal.Row{}, err)
			return
		}
		journal.ReadRows(r.entry, r.keys, func(n int) ([]byte, error) { return j.block(ctx, r, n) })(yield)
	}
}

func (j *shared) block(ctx context.Context, r record, n int) (data []byte, err error) {
	err = j.readFor(ctx, pageTimeout, func(ctx context.Context, c *pgx.Conn) error {
		err := c.QueryRow(ctx, "SELECT data FROM block WHERE entry = $1 AND no = $2", r.no, n).Scan(&data)
		if errors.Is(err, pgx.ErrNoRows) {
			return journal.LacksBlock(r.entry.ID, n)
		}
		return err
	})
	return data, err
}

func (j *shared) Images(ctx context.Context, id string) iter.Seq2[journal.Image, error] {
	return func(yield func(journal.Image, error) bool) {
		r, err := j.find(ctx, id)
		var set *journal.ImageSet
		if err == nil {
			set, err = j.imageSet(ctx, r)
		}
		if err != nil {
			yield(journal.Image{}, err)
			return
		}
		journal.ReadImages(r.entry, j.options.Key, set, func(n int) ([]byte, error) { return j.imageBlock(ctx, r, n) })(yield)
	}
}

func (j *shared) imageBlock(ctx context.Context, r record, n int) (data []byte, err error) {
	err = j.readFor(ctx, pageTimeout, func(ctx context.Context, c *pgx.Conn) error {
		err := c.QueryRow(ctx, "SELECT data FROM image WHERE entry = $1 AND no = $2", r.no, n).Scan(&data)
		if errors.Is(err, pgx.ErrNoRows) {
			return journal.LacksImages(r.entry.ID, n)
		}
		return err
	})
	return data, err
}

// imageSet is nil where an entry has none.
func (j *shared) imageSet(ctx context.Context, r record) (set *journal.ImageSet, err error) {
	err = j.read(ctx, func(ctx context.Context, c *pgx.Conn) error {
		var s journal.ImageSet
		err := c.QueryRow(ctx, "SELECT rows, blocks, key_name, set_id, bond FROM image_set WHERE entry = $1", r.no).Scan(&s.Rows, &s.Blocks, &s.KeyName, &s.ID, &s.Bond)
		if err == nil {
			set = &s
		}
		if errors.Is(err, pgx.ErrNoRows) {
			err = nil
		}
		return err
	})
	return set, err
}
