package handover

import (
	"os"
	"testing"
)

// What is inherited from somebody else (a shell that a process like this one
// started) opens no file that may be anything.
func TestInherit_OfSomebodyElse(t *testing.T) {
	for _, text := range []string{`{"from":1,"names":["x"]}`, `{"from":"me"}`} {
		t.Setenv(Variable, text)
		if e, files, err := Inherit(); err == nil || e != nil || files != nil {
			t.Errorf("%s: %v, %v", text, files, err)
		}
		if os.Getenv(Variable) != "" {
			t.Error("it is passed on")
		}
	}
	if e, files, err := Inherit(); e != nil || files != nil || err != nil {
		t.Errorf("of nobody: %v, %v, %v", e, files, err)
	}
}
