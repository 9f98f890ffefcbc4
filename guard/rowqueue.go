package guard

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
)

// rowQueueMemory is how many bytes of rows a rowQueue keeps in memory.
const rowQueueMemory = 1 << 20

// rowQueue holds DataRow bodies until the verdict, or for a client that fetches them in portions
// (Execute with max_rows): a captured DELETE runs to its end at once. Beyond a
// limit they spill to a temporary file. The zero value is empty.
type rowQueue struct {
	memory [][]byte
	bytes  int
	file   *os.File
	w      *bufio.Writer
	r      *bufio.Reader
}

// add appends a row; it is copied. Not after next.
func (q *rowQueue) add(row []byte) error {
	if q.file == nil && q.bytes+len(row) <= rowQueueMemory {
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
	return err
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
	if err := binary.Read(q.r, binary.BigEndian, &n); err == io.EOF {
		return nil, false, nil
	} else if err != nil {
		return nil, false, err
	}
	row := make([]byte, n)
	_, err := io.ReadFull(q.r, row)
	return row, true, err
}

func (q *rowQueue) close() {
	if q.file != nil {
		q.file.Close() // already unlinked; nothing to keep
	}
	*q = rowQueue{}
}
