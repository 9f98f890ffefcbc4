package alert

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"
)

// stuck answers nothing until the test ends.
func stuck(t *testing.T) *receiver {
	release := make(chan struct{})
	r := newReceiver(t, func(_ http.ResponseWriter, q *http.Request) {
		select {
		case <-release:
		case <-q.Context().Done():
		}
	})
	t.Cleanup(func() { close(release) })
	return r
}

func TestAlerter_SlowSinkDelaysNoOther(t *testing.T) {
	slow, fast := stuck(t), newReceiver(t, nil)
	a := run(t, Options{Grace: time.Millisecond}, hook("slow", slow), hook("fast", fast))
	for i := range 50 {
		a.Entry(blocked(fmt.Sprint("u", i)))
	}
	for i := range 50 {
		if m := fast.message(t); m.User != fmt.Sprint("u", i) {
			t.Fatalf("got %s as number %d", m.User, i)
		}
	}
}

func TestAlerter_HoldOvertakesWhatHangs(t *testing.T) {
	r := stuck(t)
	a := run(t, Options{Grace: time.Millisecond}, hook("w", r))
	for i := range 20 {
		a.Entry(blocked(fmt.Sprint("u", i)))
	}
	if m := r.message(t); m.Kind != Blocked {
		t.Fatal(m.Kind)
	}
	h := hold()
	a.Hold(h) // the post above is still under way, and 19 others wait
	if m := r.message(t); m.Kind != Held || m.ID != h.ID {
		t.Errorf("%+v", m)
	}
}

func TestAlerter_FullQueueDropsAndCounts(t *testing.T) {
	r := stuck(t)
	a := run(t, Options{Queue: 5, Grace: time.Millisecond}, hook("w", r))
	for i := range 100 { // would wait for good if telling could block
		a.Entry(blocked(fmt.Sprint("u", i)))
		a.Hold(hold())
	}
	a.end()
	dropped, failed := a.count("w dropped"), a.count("w failed")
	if dropped < 2*(100-5-1) || dropped+failed != 200 {
		t.Errorf("%d dropped, %d failed", dropped, failed)
	}
}

func TestAlerter_DeliversWhatIsQueuedAtTheEnd(t *testing.T) {
	r := newReceiver(t, nil)
	a := prepared(Options{}, hook("w", r))
	for i := range 20 {
		a.Entry(blocked(fmt.Sprint("u", i)))
	}
	a.Hold(hold())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	a.Run(ended)
	if len(r.got) != 21 || a.count("w sent") != 21 {
		t.Errorf("%d of 21 came", len(r.got))
	}
}

func TestAlerter_EndsInTheMiddleOfAWait(t *testing.T) {
	r := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	a := run(t, Options{Backoff: time.Hour}, hook("w", r))
	a.Entry(blocked("u"))
	r.next(t)
	a.end() // in the middle of an hour's wait
	if a.count("w failed") != 1 || len(r.got) > 1 {
		t.Errorf("%v, %d more tries", a.results, len(r.got))
	}
}

func TestAlerter_SinkIsToldWhatItAsksFor(t *testing.T) {
	holds, gone, usual := newReceiver(t, nil), newReceiver(t, nil), newReceiver(t, nil)
	h, g := hook("holds", holds), hook("gone", gone)
	h.On, g.On = []Kind{Held}, []Kind{Alert, Uncaptured}
	a := run(t, Options{}, h, g, hook("usual", usual))
	a.Entry(blocked("u"))
	a.Entry(committed("u"))
	small := committed("u")
	small.Alert = ""
	a.Entry(small)
	a.Hold(hold())
	a.end()
	for r, want := range map[*receiver]map[Kind]int{
		holds: {Held: 1}, gone: {Alert: 1, Uncaptured: 1}, usual: {Held: 1, Blocked: 1, Alert: 1},
	} {
		got := map[Kind]int{}
		for range len(r.got) {
			got[r.message(t).Kind]++
		}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	}
}

func TestAlerter_NilTellsNobody(t *testing.T) {
	var a *Alerter
	a.Entry(blocked("u"))
	a.Hold(hold())
}

// What is told must not change with the entry it is about, which its session
// goes on to settle.
func TestAlerter_EntryMayChangeAfterwards(t *testing.T) {
	r := newReceiver(t, nil)
	a := prepared(Options{}, hook("w", r))
	e := committed("u")
	a.Entry(e)
	e.Outcome, e.User = "", ""
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	a.Run(ended)
	if m := r.message(t); m.User != "u" || m.Entry.Outcome != "committed" {
		t.Errorf("%+v", m)
	}
}
