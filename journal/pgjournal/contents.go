package pgjournal

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

func (j *shared) Contents(ctx context.Context, ids []string) (map[string]journal.Contents, error) {
	all, err := j.query(ctx, pageTimeout, "SELECT "+entryColumns+" FROM entry WHERE id = ANY($1)", ids)
	if err != nil {
		return nil, err
	}
	var first map[int64][]byte
	var sets map[int64]*journal.ImageSet
	numbers := make([]int64, len(all))
	for i, r := range all {
		numbers[i] = r.no
	}
	err = j.readFor(ctx, pageTimeout, func(ctx context.Context, c *pgx.Conn) error {
		first, sets = map[int64][]byte{}, map[int64]*journal.ImageSet{}
		rows, err := c.Query(ctx, "SELECT entry, data FROM block WHERE no = 0 AND entry = ANY($1)", numbers)
		if err != nil {
			return err
		}
		var no int64
		var data []byte
		if _, err := pgx.ForEachRow(rows, []any{&no, &data}, func() error {
			first[no], data = data, nil
			return nil
		}); err != nil {
			return err
		}
		if rows, err = c.Query(ctx, "SELECT entry, rows, blocks, key_name, set_id, bond FROM image_set WHERE entry = ANY($1)", numbers); err != nil {
			return err
		}
		var set journal.ImageSet
		_, err = pgx.ForEachRow(rows, []any{&no, &set.Rows, &set.Blocks, &set.KeyName, &set.ID, &set.Bond}, func() error {
			one := set
			sets[no], set = &one, journal.ImageSet{}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	out := make(map[string]journal.Contents, len(all))
	for _, r := range all {
		out[r.entry.ID] = journal.Contents{
			Entry: r.entry,
			Rows: journal.ReadRows(r.entry, r.keys, func(n int) ([]byte, error) {
				if data := first[r.no]; n == 0 && data != nil {
					return data, nil
				}
				return j.block(ctx, r, n)
			}),
			Images: journal.ReadImages(r.entry, j.options.Key, sets[r.no], func(n int) ([]byte, error) { return j.imageBlock(ctx, r, n) }),
		}
	}
	return out, nil
}
