package guard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"

	"github.com/rowback/rowback/internal/budget"
)

// rowQueueMemory is how many bytes of rows a rowQueue keeps in memory, rowQueueFloor how
// many that it takes from nothing.
const (
	rowQueueMemory = 1 << 20
	rowQueueFloor  = 64 << 10
)

// rowQueue holds DataRow bodies until the verdict, or for a client that fetches them in portions
// (Execute with max_rows): a captured DELETE runs to its end at once. Beyond a
// limit they spill to a temporary file. The zero value is empty.
type rowQueue struct {
	memory [][]byte
	bytes  int
	of     *budget.Share // what it takes from; nil: any amount
	held   int64         // what it has of that
	file   *os.File      // until its last row is taken
	filed  int           // rows in it
	w      *bufio.Writer
	r      *bufio.Reader
}

// add appends a row; it is copied. Not after next.
func (q *rowQueue) add(row []byte) error {
	if q.file == nil && q.bytes+len(row) <= rowQueueMemory && q.takes(len(row)) {
		q.bytes += len(row)
		q.memory = append(q.memory, append([]byte(nil), row...))
		return nil
	}
	if q.file == nil {
		f, err := os.CreateTemp("", "rowback-rows-")
		if err != nil {
			return err
		}
		if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open
			return errors.Join(err, f.Close())
		}
		q.file, q.w = f, bufio.NewWriter(f)
	}
	if err := binary.Write(q.w, binary.BigEndian, uint32(len(row))); err != nil {
		return err
	}
	_, err := q.w.Write(row)
	q.filed++
	return err
}

// takes reports whether there is room in memory for a row.
func (q *rowQueue) takes(size int) bool {
	more := int64(q.bytes+size) - rowQueueFloor - q.held
	if more > 0 {
		if !q.of.Try(more) {
			return false
		}
		q.held += more
	}
	return true
}

// next takes the first row off; false when there is none.
func (q *rowQueue) next() ([]byte, bool, error) {
	if len(q.memory) > 0 {
		row := q.memory[0]
		q.memory = q.memory[1:]
		return row, true, nil
	}
	if q.file == nil {
		return nil, false, nil
	}
	if q.r == nil {
		if err := q.w.Flush(); err != nil {
			return nil, false, err
		}
		if _, err := q.file.Seek(0, io.SeekStart); err != nil {
			return nil, false, err
		}
		q.r = bufio.NewReader(q.file)
	}
	var n uint32
	if err := binary.Read(q.r, binary.BigEndian, &n); err != nil {
		return nil, false, err
	}
	if need := budget.Beyond(int(n)); need > q.held { // a long one is in memory by itself
		patience := budget.Patience
		if err := q.of.Take(need-q.held, q.held, &patience); err != nil {
			return nil, false, err
		}
		q.held = need
	}
	row := make([]byte, n)
	_, err := io.ReadFull(q.r, row)
	if q.filed--; q.filed == 0 { // its portal may stay open, and others be opened
		q.file.Close()
		q.file, q.w, q.r = nil, nil, nil
	}
	return row, true, err
}

// rests: the rows that were taken off have gone, and nobody knows when the next one is asked for.
func (q *rowQueue) rests() {
	if len(q.memory) == 0 {
		q.of.Give(q.held)
		q.held = 0
	}
}

func (q *rowQueue) close() {
	if q.file != nil {
		q.file.Close() // already unlinked; nothing to keep
	}
	q.of.Give(q.held)
	*q = rowQueue{}
}
