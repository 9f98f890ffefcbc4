// Package sparing bounds what strangers can make us write to the log.
package sparing

import (
	"log/slog"
	"sync"
	"time"
)

// Lines are about connections that came to nothing: so many a second, the others are
// counted. The zero value is ready; its methods are safe for concurrent use.
type Lines struct {
	mu      sync.Mutex
	since   time.Time
	said    int
	leftOut int
}

const aSecond = 20

// Warn writes a line, or counts it.
func (s *Lines) Warn(log *slog.Logger, text string, args ...any) {
	if leftOut, ok := s.may(time.Now()); ok {
		if leftOut > 0 {
			args = append(args, "lines_left_out_before", leftOut)
		}
		log.Warn(text, args...)
	}
}

// may reports whether a line may be written now, and how many were not before it.
func (s *Lines) may(now time.Time) (leftOut int, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if now.Sub(s.since) >= time.Second {
		s.since, s.said = now, 0
	}
	if s.said >= aSecond {
		s.leftOut++
		return 0, false
	}
	s.said++
	leftOut, s.leftOut = s.leftOut, 0
	return leftOut, true
}
