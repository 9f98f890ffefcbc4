package alert

import (
	"fmt"
	"net/http"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
)

func TestReload_QueueGoesToTheNewAddress(t *testing.T) {
	old := stuck(t)
	fresh := newReceiver(t, nil)
	s := hook("w", old)
	s.Timeout = time.Second
	a := run(t, Options{}, s)
	for _, user := range []string{"a", "b", "c"} {
		a.Entry(blocked(user))
	}
	old.next(t) // under way
	a.Reload(Config{Sinks: []Sink{hook("w", fresh)}})
	for _, want := range []string{"a", "b", "c"} {
		if m := fresh.message(t); m.User != want {
			t.Errorf("got %s, want %s", m.User, want)
		}
	}
}

func TestReload_SinkThatIsGoneDeliversWhatItHas(t *testing.T) {
	var open atomic.Bool
	old := newReceiver(t, func(w http.ResponseWriter, _ *http.Request) {
		if !open.Load() {
			w.WriteHeader(503)
		}
	})
	fresh := newReceiver(t, nil)
	a := run(t, Options{Backoff: 20 * time.Millisecond}, hook("old", old))
	a.Entry(blocked("a"))
	a.Entry(blocked("b"))
	old.next(t)
	a.Reload(Config{Sinks: []Sink{hook("fresh", fresh)}})
	a.Entry(blocked("c"))
	if m := fresh.message(t); m.User != "c" {
		t.Errorf("%+v", m)
	}
	open.Store(true)
	a.wait(t, "old sent", 2)
	a.end()
	if a.count("fresh sent") != 1 || a.count("old failed") != 0 {
		t.Errorf("%v", a.results)
	}
}

func TestReload_WhileAlertsCome(t *testing.T) {
	r := newReceiver(t, nil)
	a := run(t, Options{Queue: 1000}, hook("w0", r))
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 300 {
			a.Entry(blocked("u"))
		}
	}()
	for i := range 20 {
		a.Reload(Config{Sinks: []Sink{hook([]string{"w0", "w1", "w2"}[i%3], r)}})
	}
	<-done
	a.end()
	if len(r.got) != 300 {
		t.Errorf("%d of 300 came: %v", len(r.got), a.results)
	}
}

func TestReload_SinksThatAreGoneEnd(t *testing.T) {
	a := run(t, Options{})
	before := runtime.NumGoroutine()
	for i := range 100 {
		a.Reload(Config{Sinks: []Sink{{Name: fmt.Sprint(i), To: Webhook{}}}})
	}
	a.Reload(Config{})
	for end := time.Now().Add(soon); runtime.NumGoroutine() > before; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, %d before", runtime.NumGoroutine(), before)
		}
	}
}
