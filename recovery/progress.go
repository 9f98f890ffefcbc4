package recovery

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Progress tells a person how far long work is: in place on a terminal, else
// as a line every few seconds, so only for work that takes that long. A nil
// Progress is silent.
type Progress struct {
	w        io.Writer
	terminal bool
	every    time.Duration
	now      func() time.Time

	mu          sync.Mutex // guards what follows
	phase, unit string
	done, total int64
	began, told time.Time
	dirty       bool // an unfinished line stands on the terminal
}

// NewProgress writes to w, which Progress does not close.
func NewProgress(w io.Writer, terminal bool) *Progress {
	p := &Progress{w: w, terminal: terminal, every: 5 * time.Second, now: time.Now}
	if terminal {
		p.every = 200 * time.Millisecond
	}
	p.told = p.now()
	return p
}

// Start begins a phase of total rows; 0: not known.
func (p *Progress) Start(phase string, total int64) { p.Count(phase, "rows", total) }

// Count is Start where other things than rows are counted.
func (p *Progress) Count(phase, unit string, total int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.phase, p.unit, p.done, p.total, p.began = phase, unit, 0, total, p.now()
	p.tell(p.terminal)
}

// Add counts n more steps.
func (p *Progress) Add(n int64) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done += n
	p.tell(false)
}

// Done ends the display.
func (p *Progress) Done() {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dirty {
		fmt.Fprint(p.w, "\r\x1b[K")
		p.dirty = false
	}
}

func (p *Progress) tell(now bool) {
	at := p.now()
	if !now && at.Sub(p.told) < p.every {
		return
	}
	p.told = at
	line := p.line(at.Sub(p.began))
	if p.terminal {
		fmt.Fprint(p.w, "\r\x1b[K"+line)
		p.dirty = true
		return
	}
	fmt.Fprintln(p.w, line)
}

func (p *Progress) line(took time.Duration) string {
	if p.total == 0 || p.done == 0 || took <= 0 {
		return p.phase + " …"
	}
	rate := float64(p.done) / took.Seconds()
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second)).Round(time.Second)
	return fmt.Sprintf("%s: %s of %s %s (%.0f%%), %s %[4]s/s, %[7]v left",
		p.phase, grouped(p.done), grouped(p.total), p.unit, 100*float64(p.done)/float64(p.total), grouped(int64(rate)), max(left, 0))
}
