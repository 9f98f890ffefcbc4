package journal

import (
	"context"
	"database/sql"
	"errors"
	"iter"
)

func (j *embedded) Gather(dir string) *Keys { return NewGather(dir, j.options.Key) }

func (s *store) insertImages(ctx context.Context, entry int64, id string, keys *Keys) error {
	blocks := int64(0)
	for data, err := range keys.ImageBlocks() {
		if err != nil {
			return err
		}
		if _, err := s.write.ExecContext(ctx, "INSERT INTO image (entry, no, data) VALUES (?, ?, ?)", entry, blocks, data); err != nil {
			return err
		}
		blocks++
	}
	set := keys.ImageSet(id, blocks)
	if set == nil {
		return nil
	}
	_, err := s.write.ExecContext(ctx, "INSERT INTO image_set (entry, rows, blocks, key_name, set_id, bond) VALUES (?, ?, ?, ?, ?, ?)",
		entry, set.Rows, set.Blocks, set.KeyName, set.ID, set.Bond)
	return err
}

// imageSet is nil where an entry has none.
func (j *embedded) imageSet(ctx context.Context, f found) (*ImageSet, error) {
	s := j.store.Load()
	if s.version < 3 {
		return nil, nil
	}
	var set ImageSet
	err := s.read.QueryRowContext(ctx, "SELECT rows, blocks, key_name, set_id, bond FROM image_set WHERE entry = ?", f.no).Scan(&set.Rows, &set.Blocks, &set.KeyName, &set.ID, &set.Bond)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, j.failed(s, err)
	}
	return &set, nil
}

func (j *embedded) Images(ctx context.Context, id string) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		f, err := j.find(ctx, id)
		var set *ImageSet
		if err == nil {
			set, err = j.imageSet(ctx, f)
		}
		if err != nil {
			yield(Image{}, err)
			return
		}
		ReadImages(f.entry, j.options.Key, set, func(n int) ([]byte, error) { return j.imageBlock(ctx, f, n) })(yield)
	}
}

func (j *embedded) imageBlock(ctx context.Context, f found, no int) ([]byte, error) {
	s := j.store.Load()
	var data []byte
	err := s.read.QueryRowContext(ctx, "SELECT data FROM image WHERE entry = ? AND no = ?", f.no, no).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, LacksImages(f.entry.ID, no)
	}
	if err != nil {
		return nil, j.failed(s, err)
	}
	return data, nil
}
