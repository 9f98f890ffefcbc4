package proxy

import "testing"

func TestParameters(t *testing.T) {
	p := newParameters().with("a", "1").with("b", "").with("c", "3").with("b", "2").with("a", "")
	for name, want := range map[string]string{"a": "", "b": "2", "c": "3", "d": "", "2": "", "": ""} {
		if got := p.get(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
	if got := p.without("c").get("c"); got != "" {
		t.Errorf("c is still %q", got)
	}
	if newParameters().with("a", "1").with("b", "2") != newParameters().with("a", "0").with("a", "1").with("b", "2") {
		t.Error("sessions that were told the same do not share it")
	}
}
