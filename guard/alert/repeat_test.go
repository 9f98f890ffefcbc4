package alert

import (
	"fmt"
	"testing"
	"time"
)

func TestRepeat_ToldAsOne(t *testing.T) {
	r := newReceiver(t, nil)
	s := hook("w", r)
	s.Repeat = time.Hour
	a := run(t, Options{}, s)
	for range 5 {
		a.Entry(blocked("u"))
	}
	a.Entry(blocked("other"))
	x := blocked("u")
	x.Tables = x.Tables[:1]
	a.Entry(x)
	a.Entry(committed("u"))
	for i, want := range []string{"u blocked 2", "other blocked 2", "u blocked 1", "u alert 2"} {
		if m := r.message(t); fmt.Sprint(m.User, " ", m.Kind, " ", len(m.Tables)) != want || m.More != 0 {
			t.Errorf("%d: %+v, want %s", i, m, want)
		}
	}
	a.end() // what was kept back is told at the latest now
	m := r.message(t)
	if m.User != "u" || m.More != 3 || m.MoreRows != 150 || len(r.got) != 0 {
		t.Errorf("%+v and %d more", m, len(r.got))
	}
	if a.count("w repeated") != 4 || a.count("w sent") != 5 {
		t.Errorf("%v", a.results)
	}
}

func TestRepeat_ToldWhenTheTimeIsUp(t *testing.T) {
	r := newReceiver(t, nil)
	s := hook("w", r)
	s.Repeat = 20 * time.Millisecond
	a := run(t, Options{}, s)
	const all = 10
	for range all {
		a.Entry(blocked("u"))
	}
	for told := 0; told < all; { // by their number, however they fall
		told += 1 + r.message(t).More
	}
}

func TestRepeat_HoldsAreAllTold(t *testing.T) {
	r := newReceiver(t, nil)
	s := hook("w", r)
	s.Repeat = time.Hour
	a := run(t, Options{}, s)
	for range 5 {
		a.Hold(hold())
	}
	for range 5 {
		if m := r.message(t); m.Kind != Held || m.More != 0 {
			t.Errorf("%+v", m)
		}
	}
}

func TestRepeats_Admit(t *testing.T) {
	r := newRepeats()
	at := func(seconds int) time.Time { return when.Add(time.Duration(seconds) * time.Second) }
	ask := func(seconds int) (bool, int, int64) {
		n := ofEntry(blocked("u"))
		ok := r.admit("k", &n, at(seconds), time.Minute)
		return ok, n.More, n.MoreRows
	}
	for _, c := range []struct {
		seconds int
		ok      bool
		more    int
		rows    int64
	}{{0, true, 0, 0}, {1, false, 0, 0}, {59, false, 0, 0}, {60, true, 2, 100}, {61, false, 0, 0}, {300, true, 1, 50}, {400, true, 0, 0}} {
		if ok, more, rows := ask(c.seconds); ok != c.ok || more != c.more || rows != c.rows {
			t.Errorf("at %d: %v, %d more with %d rows", c.seconds, ok, more, rows)
		}
	}
	ask(401)
	if ready, next := r.due(at(402), time.Minute); len(ready) != 0 || !next.Equal(at(460)) {
		t.Errorf("%v, next %s", ready, next)
	}
	if ready, next := r.due(at(460), time.Minute); len(ready) != 1 || ready[0].More != 0 || !next.IsZero() {
		t.Errorf("%v, next %s", ready, next)
	}
	if ok, _, _ := ask(461); ok {
		t.Error("told twice in a minute")
	}
}

func TestRepeats_Bounded(t *testing.T) {
	r := newRepeats()
	for i := range 2 * maxAlike {
		n := ofEntry(blocked("u"))
		if !r.admit(fmt.Sprint(i), &n, when, time.Minute) {
			t.Fatal("not told")
		}
	}
	if len(r.seen) > maxAlike {
		t.Errorf("%d kept in mind", len(r.seen))
	}
	r.due(when.Add(time.Minute), time.Minute)
	if len(r.seen) != 0 {
		t.Errorf("%d kept for good", len(r.seen))
	}
}
