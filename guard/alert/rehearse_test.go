package alert

import (
	"context"
	"net/http"
	"testing"
	"time"
)

func TestTest_EachSinkOnce(t *testing.T) {
	good, bad := newReceiver(t, nil), newReceiver(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(503) })
	holds, slow := hook("holds", good), hook("slow", stuck(t))
	holds.On, slow.Timeout = []Kind{Held}, time.Millisecond
	a := New(Config{Sinks: []Sink{hook("bad", bad), holds, slow}}, Options{Proxy: "p9"}) // it need not run
	got := a.Test(context.Background())
	if len(got) != 3 || got[0].Sink != "bad" || got[0].Error == nil || got[1].Error != nil || got[2].Error == nil {
		t.Errorf("%+v", got)
	}
	if m := good.message(t); m.Kind != Test || m.Severity != "info" || m.ID == "" || m.Entry != nil || m.Hold != nil || m.What != "Alerts from p9 reach this place. Nothing happened." {
		t.Errorf("%+v", m)
	}
	if len(bad.got) != 1 {
		t.Errorf("%d tries", len(bad.got))
	}
	if got := New(Config{}, Options{}).Test(context.Background()); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
