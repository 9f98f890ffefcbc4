package journal

import (
	"fmt"
	"os"
)

// Room is memory that others use, too.
type Room interface {
	Try(n int64) bool // takes n bytes, if there is room for them
	Give(n int64)     // gives them back
}

// spillFloor is how many bytes a spill takes from no Room.
const spillFloor = 64 << 10

// spill is a growing run of bytes: in memory up to memoryLimit, then wholly in
// a temporary file that has no name and goes with the process.
type spill struct {
	dir    string
	size   int64
	memory []byte   // while file is nil
	room   Room     // of what is beyond spillFloor; nil: any
	taken  int64    // of it
	file   *os.File // nil until the first bytes over the limit
}

// append adds data and returns its offset. After an error nothing was added.
func (s *spill) append(data []byte) (offset int64, err error) {
	if s.file == nil && (s.size+int64(len(data)) > memoryLimit || !s.grow(len(data))) {
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

// grow makes room in memory for n bytes more, if it gets any.
func (s *spill) grow(n int) bool {
	need := len(s.memory) + n
	if s.room == nil || need <= cap(s.memory) {
		return true
	}
	size := min(max(2*cap(s.memory), need, spillFloor), max(need, memoryLimit))
	if more := int64(size-spillFloor) - s.taken; more > 0 {
		if !s.room.Try(more) {
			return false
		}
		s.taken += more
	}
	s.memory = append(make([]byte, 0, size), s.memory...)
	return true
}

// release forgets what is in memory.
func (s *spill) release() {
	s.memory = nil
	if s.taken > 0 {
		s.room.Give(s.taken)
		s.taken = 0
	}
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
	s.file = file
	s.release()
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
	s.size, s.file = 0, nil
	s.release()
	if file == nil {
		return nil
	}
	return file.Close()
}
