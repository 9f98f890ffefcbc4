package journal

import (
	"context"
	"database/sql"
	"iter"
	"strings"
)

// Contents is an entry and what is stored with it.
type Contents struct {
	Entry  *Entry
	Rows   iter.Seq2[Row, error]   // as Journal.Rows
	Images iter.Seq2[Image, error] // as Journal.Images
}

func (j *embedded) Contents(ctx context.Context, ids []string) (map[string]Contents, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	list := "(?" + strings.Repeat(", ?", len(ids)-1) + ")"
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	all, err := j.query(ctx, "SELECT "+entryColumns+" FROM entry WHERE id IN "+list, args...)
	if err != nil {
		return nil, err
	}
	within := "entry IN (SELECT no FROM entry WHERE id IN " + list + ")"
	first := map[int64][]byte{}
	err = j.each(ctx, "SELECT entry, data FROM block WHERE no = 0 AND "+within, args, func(rows *sql.Rows) error {
		var no int64
		var data []byte
		err := rows.Scan(&no, &data)
		first[no] = data
		return err
	})
	if err != nil {
		return nil, err
	}
	sets := map[int64]*ImageSet{}
	if j.store.Load().version >= 3 {
		err = j.each(ctx, "SELECT entry, rows, blocks, key_name, set_id, bond FROM image_set WHERE "+within, args, func(rows *sql.Rows) error {
			var no int64
			var set ImageSet
			err := rows.Scan(&no, &set.Rows, &set.Blocks, &set.KeyName, &set.ID, &set.Bond)
			sets[no] = &set
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	out := make(map[string]Contents, len(all))
	for _, f := range all {
		out[f.entry.ID] = Contents{
			Entry: f.entry,
			Rows: ReadRows(f.entry, f.keys, func(n int) ([]byte, error) {
				if data := first[f.no]; n == 0 && data != nil {
					return data, nil
				}
				return j.block(ctx, f, n)
			}),
			Images: ReadImages(f.entry, j.options.Key, sets[f.no], func(n int) ([]byte, error) { return j.imageBlock(ctx, f, n) }),
		}
	}
	return out, nil
}

// each hands over the rows of a query.
func (j *embedded) each(ctx context.Context, text string, args []any, row func(*sql.Rows) error) error {
	s := j.store.Load()
	rows, err := s.read.QueryContext(ctx, text, args...)
	if err != nil {
		return j.failed(s, err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := row(rows); err != nil {
			return j.failed(s, err)
		}
	}
	if err := rows.Err(); err != nil {
		return j.failed(s, err)
	}
	return nil
}
