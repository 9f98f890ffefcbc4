package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"iter"
)

func (j *embedded) Gather(dir string) *Keys {
	k := NewKeys(dir)
	if j.options.Key != nil {
		k.images.seal = newSeal(j.options.Key, nil)
	}
	return k
}

// fits refuses images that were not gathered for this journal and entry.
func (j *embedded) fits(e *Entry, keys *Keys) error {
	if keys == nil || keys.images.count == 0 {
		return nil
	}
	sealed := ""
	if keys.images.seal != nil {
		sealed = keys.images.seal.name
	}
	if sealed != keyName(j.options.Key) {
		return errors.New("journal: images that were gathered without the journal's key; see Gather")
	}
	if keys.images.highest >= len(e.Tables) {
		return fmt.Errorf("journal: images of table %d, but the entry has %d", keys.images.highest, len(e.Tables))
	}
	return nil
}

func (s *store) insertImages(ctx context.Context, entry int64, id string, keys *Keys) error {
	if keys == nil || keys.images.count == 0 {
		return nil
	}
	n := int64(0)
	for data, err := range keys.images.all() {
		if err != nil {
			return err
		}
		if _, err := s.write.ExecContext(ctx, "INSERT INTO image (entry, no, data) VALUES (?, ?, ?)", entry, n, data); err != nil {
			return err
		}
		n++
	}
	name, set, bond := "", []byte{}, []byte{}
	if x := keys.images.seal; x != nil {
		name, set, bond = x.name, x.set, x.bond(id, keys.images.count, n)
	}
	_, err := s.write.ExecContext(ctx, "INSERT INTO image_set (entry, rows, blocks, key_name, set_id, bond) VALUES (?, ?, ?, ?, ?, ?)",
		entry, keys.images.count, n, name, set, bond)
	return err
}

// imageSet is what there is of an entry's images.
type imageSet struct {
	rows, blocks int64
	seal         *seal
}

func (j *embedded) imageSet(ctx context.Context, f found) (out imageSet, err error) {
	expected := false
	for _, t := range f.entry.Tables {
		expected = expected || t.RowsCaptured && t.Rows > 0
	}
	s := j.store.Load()
	var name string
	var set, bond []byte
	err = sql.ErrNoRows
	if s.version >= 3 {
		err = s.read.QueryRowContext(ctx, "SELECT rows, blocks, key_name, set_id, bond FROM image_set WHERE entry = ?", f.no).Scan(&out.rows, &out.blocks, &name, &set, &bond)
	}
	switch {
	case errors.Is(err, sql.ErrNoRows) && !expected:
		return out, nil
	case errors.Is(err, sql.ErrNoRows):
		return out, fmt.Errorf("%w: entry %s lacks the images of its rows", ErrDamaged, f.entry.ID)
	case err != nil:
		return out, j.failed(s, err)
	case name == "":
		return out, nil
	case j.options.Key == nil:
		return out, fmt.Errorf("%w: those of entry %s, with the key %s, and no key is given; %s", ErrSealed, f.entry.ID, name, giveKey)
	case name != keyName(j.options.Key):
		return out, fmt.Errorf("%w: those of entry %s, with the key %s, and the key given is another one (%s); %s", ErrSealed, f.entry.ID, name, keyName(j.options.Key), giveKey)
	}
	if out.seal = newSeal(j.options.Key, set); !out.seal.holds(bond, f.entry.ID, out.rows, out.blocks) {
		return out, fmt.Errorf("%w: the images of entry %s are not what was written with it", ErrDamaged, f.entry.ID)
	}
	return out, nil
}

func (j *embedded) Images(ctx context.Context, id string) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		f, err := j.find(ctx, id)
		var set imageSet
		if err == nil {
			set, err = j.imageSet(ctx, f)
		}
		if err != nil {
			yield(Image{}, err)
			return
		}
		n, left := int64(0), set.rows
		next := func() ([]byte, error) {
			if n == set.blocks {
				return nil, io.EOF
			}
			n++
			return j.imageBlock(ctx, f, set, int(n-1))
		}
		for i, err := range readImages(next) {
			if err == nil {
				if left--; left < 0 || i.Table >= len(f.entry.Tables) {
					err = errBadBlock
				}
			}
			if errors.Is(err, errBadBlock) {
				err = damagedImages(f.entry.ID, int(n-1), err)
			}
			if !yield(i, err) || err != nil {
				return
			}
		}
		if left > 0 {
			yield(Image{}, damagedImages(f.entry.ID, int(n-1), fmt.Errorf("%d rows are missing", left)))
		}
	}
}

func (j *embedded) imageBlock(ctx context.Context, f found, set imageSet, no int) ([]byte, error) {
	s := j.store.Load()
	var data []byte
	err := s.read.QueryRowContext(ctx, "SELECT data FROM image WHERE entry = ? AND no = ?", f.no, no).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: entry %s lacks block %d of its images", ErrDamaged, f.entry.ID, no)
	}
	if err != nil {
		return nil, j.failed(s, err)
	}
	return unpackImages(set.seal, no, data)
}
