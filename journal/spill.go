package journal

import (
	"fmt"
	"os"
)

// spill is a growing run of bytes: in memory up to memoryLimit, then wholly in
// a temporary file that has no name and goes with the process.
type spill struct {
	dir    string
	size   int64
	memory []byte   // while file is nil
	file   *os.File // nil until the first bytes over the limit
}

// append adds data and returns its offset. After an error nothing was added.
func (s *spill) append(data []byte) (offset int64, err error) {
	if s.file == nil && s.size+int64(len(data)) > memoryLimit {
		if err := s.toFile(); err != nil {
			return 0, err
		}
	}
	offset = s.size
	if s.file == nil {
		s.memory = append(s.memory, data...)
	} else if _, err := s.file.WriteAt(data, offset); err != nil {
		return 0, fmt.Errorf("journal: spilling captured keys to %s: %w", s.dir, err)
	}
	s.size += int64(len(data))
	return offset, nil
}

func (s *spill) toFile() error {
	file, err := os.CreateTemp(s.dir, "rowback-keys-*")
	if err != nil {
		return fmt.Errorf("journal: spilling captured keys: %w", err)
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = file.WriteAt(s.memory, 0)
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("journal: spilling captured keys to %s: %w", s.dir, err)
	}
	s.file, s.memory = file, nil
	return nil
}

// read returns length bytes at offset, valid until the next append or truncate.
func (s *spill) read(offset int64, length int) ([]byte, error) {
	if s.file == nil {
		return s.memory[offset : offset+int64(length)], nil
	}
	data := make([]byte, length)
	if _, err := s.file.ReadAt(data, offset); err != nil {
		return nil, fmt.Errorf("journal: reading spilled keys: %w", err)
	}
	return data, nil
}

// truncate forgets everything from offset on. A file keeps its length: what is
// added next overwrites it.
func (s *spill) truncate(offset int64) {
	s.size = offset
	if s.file == nil {
		s.memory = s.memory[:offset]
	}
}

func (s *spill) close() error {
	file := s.file
	s.size, s.memory, s.file = 0, nil, nil
	if file == nil {
		return nil
	}
	return file.Close()
}
