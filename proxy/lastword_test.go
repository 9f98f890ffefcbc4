package proxy

import (
	"io"
	"net"
	"testing"
)

// The client hears once why its session ends.
func TestRelay_SaysNothingBehindTheServersLastWord(t *testing.T) {
	for said, want := range map[bool]bool{true: false, false: true} {
		ours, theirs := net.Pipe()
		r := &relay{client: ours}
		r.scan.fatal = said
		go func() {
			r.say(errServerGone)
			ours.Close()
		}()
		if b, err := io.ReadAll(theirs); (len(b) > 0) != want || err != nil {
			t.Errorf("the server has said why: %v, and the client got %q, %v", said, b, err)
		}
	}
}
