package upkeep

import (
	"encoding/binary"
	"errors"
	"io"
	"iter"
	"os"
)

// spool keeps blocks in a temporary file without a name until they are read, once.
type spool struct {
	dir  string
	file *os.File
}

func newSpool(dir string) *spool { return &spool{dir: dir} }

func (s *spool) add(block []byte) (err error) {
	if s.file == nil {
		if s.file, err = os.CreateTemp(s.dir, "rowback-images-*"); err != nil {
			return err
		}
		if err := os.Remove(s.file.Name()); err != nil {
			return err
		}
	}
	_, err = s.file.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(block))), block...))
	return err
}

func (s *spool) all() iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		if s.file == nil {
			return
		}
		if _, err := s.file.Seek(0, io.SeekStart); err != nil {
			yield(nil, err)
			return
		}
		for {
			var size [4]byte
			if _, err := io.ReadFull(s.file, size[:]); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				yield(nil, err)
				return
			}
			block := make([]byte, binary.BigEndian.Uint32(size[:]))
			_, err := io.ReadFull(s.file, block)
			if !yield(block, err) || err != nil {
				return
			}
		}
	}
}

func (s *spool) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}
