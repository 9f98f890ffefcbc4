package handover

import (
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
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

// An older process that hangs is asked in vain, not for ever: others wait for their turn.
func TestElder_CancelOfOneThatHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		go func() { _, _ = io.Copy(io.Discard, there) }()
		e := newElder(here)
		if e.Cancel([]byte("the key!")) {
			t.Error("it has found the session")
		}
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	})
}
