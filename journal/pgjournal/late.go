package pgjournal

import (
	"context"
	"sync"
	"time"
)

// lateness is about a journal whose server was away when it was to be opened.
type lateness struct {
	mu     sync.Mutex
	failed time.Time // when opening it failed last, and how
	why    error
}

// openLate opens it now. One caller tries; for the others its answer stands for a while.
func (j *shared) openLate(ctx context.Context) error {
	l := &j.late
	l.mu.Lock()
	defer l.mu.Unlock()
	if j.opened.Load() {
		return nil
	}
	if l.why != nil && time.Since(l.failed) < pingAgain {
		return l.why
	}
	trying, cancel := context.WithTimeout(ctx, pingTimeout)
	defer cancel()
	err := j.explain(j.open(trying))
	if ctx.Err() != nil && err != nil { // says nothing about the server
		return err
	}
	if l.failed, l.why = time.Now(), err; err == nil {
		j.options.Logger.Info("the journal is there", "journal", j.where)
	}
	return err
}
