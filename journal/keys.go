package journal

import (
	"errors"
	"fmt"
	"iter"
	"os"
)

const (
	// blockSize is where a block of raw rows is closed and compressed.
	blockSize = 64 << 10
	// memoryLimit is how many bytes of compressed blocks stay in memory.
	memoryLimit = 4 << 20
	// maxRow bounds one row. PostgreSQL's own indexes, and so its keys, end far below.
	maxRow = 16 << 20
)

var errStaleMark = errors.New("journal: mark of other keys, or forgotten by an earlier rewind")

// Keys gathers the captured rows of one transaction before they are appended:
// their keys and, where these are wanted, their images, each in an order of its own.
// Up to a limit each stays in memory (compressed), beyond it they spill to a
// temporary file. Not safe for concurrent use.
//
// The zero value is not usable: Journal.Gather, or NewKeys for keys alone.
type Keys struct {
	blocks  []extent // closed blocks, in order
	store   spill    // holds their bytes
	open    []byte   // the block being filled, raw
	opened  int      // rows in open
	rows    int64    // rows in all
	highest int      // highest Row.Table seen, -1 if none

	images imageStream
	stored *ImageSet // of images that were taken over; see AddStored
}

// extent is where a closed block lies in the spill.
type extent struct {
	offset int64
	length int
	rows   int
}

// Mark is a position in a Keys, for savepoints.
type Mark struct {
	keys    *Keys
	blocks  int // closed blocks
	open    int // bytes of the block after them
	opened  int // rows in those
	rows    int64
	highest int
	images  imageMark
}

// NewKeys makes an empty gathering that spills to dir ("": os.TempDir()).
func NewKeys(dir string) *Keys {
	if dir == "" {
		dir = os.TempDir()
	}
	return &Keys{store: spill{dir: dir}, highest: -1, images: imageStream{store: spill{dir: dir}, highest: -1}}
}

// Within has what is kept in memory, beyond a floor, taken from room; what finds none
// spills. Before anything is added.
func (k *Keys) Within(room Room) { k.store.room, k.images.store.room = room, room }

// Add appends one row; its values are copied. After an error the row is not
// held and Add may be tried again.
func (k *Keys) Add(r Row) error {
	if r.Table < 0 {
		return fmt.Errorf("journal: a key of table %d", r.Table)
	}
	if size := r.size(); size > maxRow {
		return fmt.Errorf("journal: a key of %d bytes is too large, limit %d", size, maxRow)
	}
	if len(k.open) >= blockSize {
		if err := k.closeBlock(); err != nil {
			return err
		}
	}
	k.open = appendRow(k.open, r)
	k.opened++
	k.rows++
	k.highest = max(k.highest, r.Table)
	return nil
}

func (k *Keys) closeBlock() error {
	packed := pack(k.open)
	offset, err := k.store.append(packed)
	if err != nil {
		return err
	}
	k.blocks = append(k.blocks, extent{offset, len(packed), k.opened})
	k.open, k.opened = k.open[:0], 0
	return nil
}

// Len is the number of rows held.
func (k *Keys) Len() int64 { return k.rows }

// Mark returns the present end.
func (k *Keys) Mark() Mark {
	return Mark{k, len(k.blocks), len(k.open), k.opened, k.rows, k.highest, k.images.mark()}
}

// Len is the number of rows before it.
func (m Mark) Len() int64 { return m.rows }

// Rewind forgets every row added since m. A mark stays good until a rewind to
// an earlier one.
func (k *Keys) Rewind(m Mark) error {
	if m.keys != k || m.rows > k.rows || m.blocks > len(k.blocks) {
		return errStaleMark
	}
	if m.blocks < len(k.blocks) {
		// The block that was open at the mark has been closed since: reopen it.
		raw, err := k.unpackBlock(k.blocks[m.blocks])
		if err != nil {
			return err
		}
		k.store.truncate(k.blocks[m.blocks].offset)
		k.blocks = k.blocks[:m.blocks]
		k.open = append(k.open[:0], raw...)
	}
	if m.open > len(k.open) {
		return errStaleMark
	}
	k.open, k.opened, k.rows, k.highest = k.open[:m.open], m.opened, m.rows, m.highest
	return k.images.rewind(m.images)
}

// Rows yields the rows in order.
func (k *Keys) Rows() iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		for n := range len(k.blocks) + 1 {
			raw := k.open
			if n < len(k.blocks) {
				var err error
				if raw, err = k.unpackBlock(k.blocks[n]); err != nil {
					yield(Row{}, err)
					return
				}
			}
			for row, err := range rawRows(raw) {
				if !yield(row, err) || err != nil {
					return
				}
			}
		}
	}
}

// Until yields the rows before a mark.
func (k *Keys) Until(m Mark) iter.Seq2[Row, error] { return k.slice(0, m.rows) }

// Since yields the rows after a mark.
func (k *Keys) Since(m Mark) iter.Seq2[Row, error] { return k.slice(m.rows, k.rows) }

func (k *Keys) slice(from, to int64) iter.Seq2[Row, error] {
	return func(yield func(Row, error) bool) {
		n := int64(0)
		for row, err := range k.Rows() {
			if n++; err == nil && n > to {
				return
			}
			if (err != nil || n > from) && !yield(row, err) {
				return
			}
		}
	}
}

// packed yields every block, closed or not, as it is stored, and its number of rows.
// The bytes are valid until the next one.
func (k *Keys) packed() iter.Seq2[[]byte, packedInfo] {
	return func(yield func([]byte, packedInfo) bool) {
		for _, b := range k.blocks {
			data, err := k.store.read(b.offset, b.length)
			if !yield(data, packedInfo{b.rows, err}) || err != nil {
				return
			}
		}
		if k.opened > 0 {
			yield(pack(k.open), packedInfo{k.opened, nil})
		}
	}
}

type packedInfo struct {
	rows int
	err  error
}

func (k *Keys) unpackBlock(b extent) ([]byte, error) {
	data, err := k.store.read(b.offset, b.length)
	if err != nil {
		return nil, err
	}
	return unpack(data)
}

// Close frees the memory and the temporary file.
func (k *Keys) Close() error {
	k.blocks, k.open, k.opened, k.rows, k.highest = nil, nil, 0, 0, -1
	k.stored = nil
	k.images.blocks, k.images.open, k.images.count, k.images.highest = nil, nil, 0, -1
	return errors.Join(k.store.close(), k.images.store.close())
}
