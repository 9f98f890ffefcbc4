package budget

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// Who waits for room has a session ended whose client has stopped, and no other, and no
// more of them than it needs.
func TestShare_Stalls(t *testing.T) {
	const half = Stalled / 2
	waits := func(s *Share) {
		s.Waits(Sent)
		time.Sleep(Stalled)
	}
	for _, do := range []struct {
		name  string
		goes  func(*Share)
		stays bool
	}{
		{"stops", waits, false},
		{"stops to read", func(s *Share) { s.Waits(Read); time.Sleep(Stalled) }, false},
		{"sends too little at a time", func(s *Share) {
			for range 4 {
				s.Waits(Sent)
				time.Sleep(half)
				s.Moves(Sent, 1)
			}
			s.Waits(Sent)
		}, false},
		{"waited before it had anything", func(s *Share) {
			s.Give(50)
			s.Waits(Read)
			s.Try(50)
			time.Sleep(Stalled)
		}, false},
		{"stopped shortly ago", func(s *Share) { s.Waits(Sent); time.Sleep(half) }, true},
		{"sends slowly", func(s *Share) {
			for range 4 {
				s.Waits(Sent)
				time.Sleep(half)
				s.Moves(Sent, Progress)
			}
			s.Waits(Sent)
		}, true},
		{"has sent all, and waits for the server", func(s *Share) { waits(s); s.Moves(Sent, 1); time.Sleep(Stalled) }, true},
		{"has sent one message, and begins another", func(s *Share) { s.Waits(Sent); time.Sleep(Stalled - 1); s.Moves(Sent, 1); s.Done(); s.Waits(Sent) }, true},
		{"had nothing then", func(s *Share) { s.Give(50); waits(s); s.Moves(Sent, 1); s.Try(50); s.Waits(Sent) }, true},
	} {
		t.Run(do.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b, ended := New(100), false
				var s *Share
				s = b.Share(func() { ended = true; s.Give(50) })
				s.Try(50)
				do.goes(s)
				if b.Used() != 50 || ended {
					t.Fatalf("it is ended before anybody waits; %d used", b.Used())
				}
				other, patience := b.Share(nil), Patience
				err := other.Take(60, 0, &patience)
				if ended == do.stays || errors.Is(err, ErrFull) != do.stays {
					t.Errorf("ended: %v; who waited: %v", ended, err)
				}
				if waited := Patience - patience; !do.stays && waited != Grace {
					t.Errorf("it waited for %v", waited)
				}
			})
		})
	}
}

func TestShare_FewAreEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, ended := New(100), []int64{}
		var mu sync.Mutex
		for _, n := range []int64{10, 40, 20, 30} {
			var s *Share
			s = b.Share(func() {
				mu.Lock()
				defer mu.Unlock()
				ended = append(ended, n)
				time.AfterFunc(time.Second, func() { s.Give(n) })
			})
			s.Try(n)
			s.Waits(Sent)
		}
		time.Sleep(Stalled)
		got := make(chan error)
		for range 2 {
			go func() {
				patience := Patience
				got <- b.Share(nil).Take(30, 0, &patience)
			}()
		}
		if err := errors.Join(<-got, <-got); err != nil || !slices.Equal(ended, []int64{40, 30}) {
			t.Errorf("%v were ended: %v", ended, err)
		}
		// What comes free in time costs nobody his session.
		s, patience := b.Share(func() { t.Error("it is ended") }), Patience
		s.Try(10)
		s.Waits(Sent)
		time.Sleep(Stalled)
		time.AfterFunc(Grace/2, func() { b.Give(20) })
		if err := b.Share(nil).Take(15, 0, &patience); err != nil || len(ended) != 2 {
			t.Error(err, ended)
		}
		if b.wanted != 0 {
			t.Errorf("%d are wanted still", b.wanted)
		}
	})
}

// Who has little does not wait for who waits for much; that gets its room all the same, and
// who has much waits in turn.
func TestShare_LittleBesideMuch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 1600
		b := New(limit)
		first, patience := b.Share(nil), Patience
		if err := first.Take(1000, 0, &patience); err != nil {
			t.Fatal(err)
		}
		large, got := b.Share(nil), make(chan time.Duration)
		go func() {
			patience := Patience
			if err := large.Take(1000, 0, &patience); err != nil {
				t.Error("who waits for much:", err)
			}
			got <- Patience - patience
		}()
		synctest.Wait()
		var small []*Share
		for range limit / Aside / (limit / Small) {
			s, patience := b.Share(nil), Patience
			// As a read buffer grows: both are there for a moment.
			if err := errors.Join(s.Take(20, 0, &patience), s.Take(30, 20, &patience)); err != nil || patience != Patience {
				t.Errorf("who has little: %v, with %v left", err, patience)
			}
			s.Give(20)
			if s.Try(1) {
				t.Error("what can do without takes it")
			}
			if err := s.Take(20, 30, &patience); err != nil || patience != Patience {
				t.Errorf("and more: %v, with %v left", err, patience)
			}
			small = append(small, s)
		}
		if used := b.Used(); used != 1000+limit/Aside {
			t.Errorf("%d are used", used)
		}
		s, patience := b.Share(nil), time.Second
		if err := s.Take(limit/Small, 0, &patience); !errors.Is(err, ErrFull) {
			t.Errorf("more than there is: %v", err)
		}
		small[0].Give(limit / Small)
		patience = time.Second
		if err := small[1].Take(1, 0, &patience); !errors.Is(err, ErrFull) {
			t.Errorf("who has no longer little: %v", err)
		}
		first.Give(1000)
		if waited := <-got; waited != 2*time.Second {
			t.Errorf("who waits for much got it after %v", waited)
		}
		large.Give(1000)
		for _, s := range small[1:] {
			s.Give(limit / Small)
		}
		if b.Used() != 0 || !b.Try(limit) || !b.aside.TryAcquire(limit/Aside) {
			t.Errorf("%d are used", b.Used())
		}
	})
}

func TestShare_OfNothing(t *testing.T) {
	var b *Budget
	s, patience := b.Share(nil), Patience
	s.Waits(Sent)
	if s.Take(1<<50, 0, &patience) != nil || !s.Try(1<<50) || s.Holds() {
		t.Error("there is an end")
	}
	s.Moves(Sent, 1)
	s.Done()
	s.Give(1 << 50)
}

// Each session has one, and most never hold anything.
func TestShare_Size(t *testing.T) {
	if is := unsafe.Sizeof(Share{}); is > 48 {
		t.Errorf("a share takes %d bytes: the next size is 64", is)
	}
}
