package guard

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/proxy"
)

// locked is a journal that takes long to say that it cannot be written.
type locked struct {
	journal.Journal
	pings int           // one at a time
	wait  chan struct{} // before each ends
}

func (l *locked) Ping(context.Context) error {
	l.pings++
	<-l.wait
	return errors.New("locked")
}

// Deletions that find the journal out of order wait for it together.
func TestEvidenceReady_Together(t *testing.T) {
	records, err := journal.Open(t.Context(), t.TempDir(), journal.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer records.Close()
	l := &locked{Journal: records, wait: make(chan struct{})}
	j, err := New(t.Context(), Options{Journal: l})
	if err != nil {
		t.Fatal(err)
	}
	j.health.failed(errors.New("it was"))
	const n = 50
	var asking, done sync.WaitGroup
	for range n {
		asking.Add(1)
		done.Go(func() {
			s := j.Session(t.Context(), &proxy.Info{Database: "x"}).(*session)
			asking.Done()
			if err := s.evidenceReady(t.Context()); err == nil {
				t.Error("it is ready")
			}
		})
	}
	asking.Wait()
	close(l.wait)
	done.Wait()
	if l.pings > n/2 {
		t.Errorf("tried %d times for %d", l.pings, n)
	}
}
