package journal

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
)

// imageBlock is how many raw bytes of images a block holds. An image goes over
// the edge of one into as many as it needs: no more than a block of it is in
// memory twice.
const imageBlock = 256 << 10

// imageStream gathers images: one run of bytes, cut into blocks that are packed
// and, with a seal, encrypted before they leave memory.
type imageStream struct {
	seal    *seal // nil: not encrypted
	blocks  []extent
	store   spill
	open    []byte // the block being filled, raw
	count   int64  // images in all
	highest int    // highest Image.Table, -1 if none
}

type imageMark struct {
	blocks, open int
	count        int64
	highest      int
}

func (s *imageStream) mark() imageMark {
	return imageMark{len(s.blocks), len(s.open), s.count, s.highest}
}

func (s *imageStream) write(data []byte) error {
	for len(data) > 0 {
		if len(s.open) == imageBlock {
			if err := s.closeBlock(); err != nil {
				return err
			}
		}
		n := min(len(data), imageBlock-len(s.open))
		s.open = append(s.open, data[:n]...)
		data = data[n:]
	}
	return nil
}

func (s *imageStream) closeBlock() error {
	data := s.stored(len(s.blocks), s.open)
	offset, err := s.store.append(data)
	if err != nil {
		return err
	}
	s.blocks = append(s.blocks, extent{offset, len(data), 0})
	s.open = s.open[:0]
	return nil
}

// stored is block no as it is kept.
func (s *imageStream) stored(no int, raw []byte) []byte {
	data := pack(raw)
	if s.seal != nil {
		data = s.seal.block(no, data)
	}
	return data
}

func (s *imageStream) rewind(m imageMark) error {
	if m.count > s.count || m.blocks > len(s.blocks) {
		return errStaleMark
	}
	if m.blocks < len(s.blocks) { // the block that was open at the mark has been closed since
		b := s.blocks[m.blocks]
		data, err := s.store.read(b.offset, b.length)
		if err != nil {
			return err
		}
		raw, err := unpackImages(s.seal, m.blocks, data)
		if err != nil {
			return err
		}
		s.store.truncate(b.offset)
		s.blocks, s.open = s.blocks[:m.blocks], append(s.open[:0], raw...)
	}
	if m.open > len(s.open) {
		return errStaleMark
	}
	s.open, s.count, s.highest = s.open[:m.open], m.count, m.highest
	return nil
}

// all yields every block as it is kept. The bytes are valid until the next one.
func (s *imageStream) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, b := range s.blocks {
			data, err := s.store.read(b.offset, b.length)
			if !yield(data, err) || err != nil {
				return
			}
		}
		if len(s.open) > 0 {
			yield(s.stored(len(s.blocks), s.open), nil)
		}
	}
}

// unpackImages is the inverse of stored.
func unpackImages(s *seal, no int, data []byte) ([]byte, error) {
	if s != nil {
		var err error
		if data, err = s.open(no, data); err != nil {
			return nil, err
		}
	}
	return unpack(data)
}

// readImages yields the images in the blocks that next returns, one after the
// other, in memory of their own; io.EOF from next is the end.
func readImages(next func() ([]byte, error)) iter.Seq2[Image, error] {
	return func(yield func(Image, error) bool) {
		r := bufio.NewReader(&blockReader{next: next})
		for {
			table, err := binary.ReadUvarint(r)
			if errors.Is(err, io.EOF) {
				return
			}
			i := Image{Table: int(table)}
			if err == nil {
				i.Data, err = readSized(r)
			}
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || err == nil && table > 1<<31 {
				err = errBadBlock
			}
			if !yield(i, err) || err != nil {
				return
			}
		}
	}
}

// readSized reads a length and so many bytes. Memory is taken as they come: the
// length may be damaged.
func readSized(r *bufio.Reader) ([]byte, error) {
	length, err := binary.ReadUvarint(r)
	if err != nil {
		return nil, err
	}
	if length > maxImage {
		return nil, errBadBlock
	}
	if length <= imageBlock {
		data := make([]byte, length)
		_, err = io.ReadFull(r, data)
		return data, err
	}
	data, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && uint64(len(data)) < length {
		err = io.ErrUnexpectedEOF
	}
	return data, err
}

// blockReader reads blocks as one run of bytes.
type blockReader struct {
	next func() ([]byte, error)
	left []byte
}

func (r *blockReader) Read(p []byte) (int, error) {
	for len(r.left) == 0 {
		var err error
		if r.left, err = r.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func damagedImages(id string, no int, err error) error {
	return fmt.Errorf("%w: images of entry %s, block %d: %w", ErrDamaged, id, no, err)
}
