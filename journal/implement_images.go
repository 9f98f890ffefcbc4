package journal

import (
	"errors"
	"fmt"
	"io"
	"iter"
)

// ImageSet is what is stored once of an entry's images, beside their blocks: how
// many there are, and, if they are encrypted, with which key, under which number,
// and the proof that they are this entry's.
type ImageSet struct {
	Rows, Blocks int64
	KeyName      string // "" if not encrypted
	ID, Bond     []byte // not nil
}

// NewGather is Journal.Gather with a key, nil for none.
func NewGather(dir string, key []byte) *Keys {
	k := NewKeys(dir)
	if key != nil {
		k.images.seal = newSeal(key, nil)
	}
	return k
}

// fits refuses images that were not gathered for this entry, and a journal with this key.
func fits(e *Entry, keys *Keys, key []byte) error {
	if keys.images.count == 0 || keys.stored != nil {
		return nil
	}
	sealed := ""
	if keys.images.seal != nil {
		sealed = keys.images.seal.name
	}
	if sealed != keyName(key) {
		return errors.New("journal: images that were gathered without the journal's key; see Gather")
	}
	if keys.images.highest >= len(e.Tables) {
		return fmt.Errorf("journal: images of table %d, but the entry has %d", keys.images.highest, len(e.Tables))
	}
	return nil
}

// ImageBlocks yields the blocks of images as they are stored, in order; those of
// nil are none. The bytes are valid until the next one.
func (k *Keys) ImageBlocks() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if k != nil && k.images.count > 0 {
			k.images.all()(yield)
		}
	}
}

// ImageSet is to be stored with the entry of this ID, and so many blocks; nil
// where there are no images.
func (k *Keys) ImageSet(id string, blocks int64) *ImageSet {
	if k == nil || k.images.count == 0 {
		return nil
	}
	if k.stored != nil {
		return k.stored
	}
	set := ImageSet{Rows: k.images.count, Blocks: blocks, ID: []byte{}, Bond: []byte{}}
	if x := k.images.seal; x != nil {
		set.KeyName, set.ID, set.Bond = x.name, x.set, x.bond(id, set.Rows, blocks)
	}
	return &set
}

// unseal is what the images are read with; nil: they are not encrypted.
func (s *ImageSet) unseal(e *Entry, key []byte) (*seal, error) {
	switch {
	case s.KeyName == "":
		return nil, nil
	case key == nil:
		return nil, fmt.Errorf("%w: those of entry %s, with the key %s, and no key is given; %s", ErrSealed, e.ID, s.KeyName, giveKey)
	case s.KeyName != keyName(key):
		return nil, fmt.Errorf("%w: those of entry %s, with the key %s, and the key given is another one (%s); %s", ErrSealed, e.ID, s.KeyName, keyName(key), giveKey)
	}
	seal := newSeal(key, s.ID)
	if !seal.holds(s.Bond, e.ID, s.Rows, s.Blocks) {
		return nil, fmt.Errorf("%w: the images of entry %s are not what was written with it", ErrDamaged, e.ID)
	}
	return seal, nil
}

// ReadImages yields the images of an entry: set is what was stored of them (nil:
// nothing), key the journal's (nil: none), and block reads the n-th block and says
// where there is none.
func ReadImages(e *Entry, key []byte, set *ImageSet, block func(n int) ([]byte, error)) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		if set == nil {
			for _, t := range e.Tables {
				if t.RowsCaptured && t.Rows > 0 {
					yield(Image{}, fmt.Errorf("%w: entry %s lacks the images of its rows", ErrDamaged, e.ID))
					return
				}
			}
			return
		}
		seal, err := set.unseal(e, key)
		if err != nil {
			yield(Image{}, err)
			return
		}
		n, left := int64(0), set.Rows
		next := func() ([]byte, error) {
			if n == set.Blocks {
				return nil, io.EOF
			}
			n++
			data, err := block(int(n - 1))
			if err != nil {
				return nil, err
			}
			return unpackImages(seal, int(n-1), data)
		}
		for i, err := range readImages(next) {
			if err == nil {
				if left--; left < 0 || i.Table >= len(e.Tables) {
					err = errBadBlock
				}
			}
			if errors.Is(err, errBadBlock) {
				err = damagedImages(e.ID, int(n-1), err)
			}
			if !yield(i, err) || err != nil {
				return
			}
		}
		if left > 0 {
			yield(Image{}, damagedImages(e.ID, int(n-1), fmt.Errorf("%d rows are missing", left)))
		}
	}
}

// LacksImages is the error where a block of images is not there.
func LacksImages(id string, n int) error {
	return fmt.Errorf("%w: entry %s lacks block %d of its images", ErrDamaged, id, n)
}
