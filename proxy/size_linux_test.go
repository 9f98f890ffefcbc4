package proxy

import (
	"testing"
	"unsafe"
)

// What a session takes while it is idle is counted in KiB, and Go hands memory out in
// sizes of its own (from 512 bytes on with 8 for itself).
func TestSession_Size(t *testing.T) {
	for name, size := range map[string]struct{ is, most uintptr }{
		"relay": {unsafe.Sizeof(relay{}), 640 - 8},
		"sock":  {unsafe.Sizeof(sock{}), 80},
		"inbuf": {unsafe.Sizeof(inbuf{}), 96},
	} {
		if size.is > size.most {
			t.Errorf("a %s takes %d bytes, more than %d", name, size.is, size.most)
		}
	}
}
