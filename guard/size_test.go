package guard

import (
	"testing"
	"unsafe"
)

// What a session takes while it is idle is counted in KiB, and Go hands memory out in sizes of its own.
func TestSession_Size(t *testing.T) {
	if is := unsafe.Sizeof(session{}); is > 480 {
		t.Errorf("a session takes %d bytes: the next size is 512", is)
	}
}
