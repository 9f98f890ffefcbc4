package proxy

import (
	"encoding/binary"
	"fmt"
)

// Every message after the startup packet is a frame: a type byte, and a length
// of four bytes that counts itself and the payload (protocol chapter "Message Formats").
const headerLen = 5

// DefaultMaxMessage is the largest frame accepted: PostgreSQL takes and makes
// no message of more than 1 GiB.
const DefaultMaxMessage = 1<<30 + 1<<10

// frameSize is the size of the whole frame that starts at b, header included.
// b holds at least a header.
func frameSize(b []byte, max int) (int, error) {
	n := binary.BigEndian.Uint32(b[1:headerLen])
	switch {
	case n < 4:
		return 0, protocolError(fmt.Sprintf("invalid length %d of a message of type %q", n, b[0]))
	case uint64(n) >= DefaultMaxMessage:
		return 0, protocolError(fmt.Sprintf("a message of type %q says it has %d bytes: PostgreSQL's limit is %d", b[0], n, 1<<30))
	case uint64(n) >= uint64(max):
		return 0, &clientError{code: codeLimit, message: fmt.Sprintf("a message of type %q has %d bytes: the proxy's limit is %d", b[0], n, max), hint: "Send less at a time, or raise max-message."}
	}
	return int(n) + 1, nil
}

// appendFrame appends a whole message to b.
func appendFrame(b []byte, typ byte, body []byte) []byte {
	return append(appendHeader(b, typ, len(body)), body...)
}

// appendHeader appends the header of a message with so many bytes of payload to b.
func appendHeader(b []byte, typ byte, payload int) []byte {
	return binary.BigEndian.AppendUint32(append(b, typ), uint32(payload+4))
}

// clientTypes are the messages that a client may send once it is authenticated.
var clientTypes = typeSet("QPBDECSFHXdcf")

// judgedTypes are the messages shown to Session.Wants.
var judgedTypes = typeSet("QPBDECSFH")

func typeSet(s string) (set [256]bool) {
	for i := range len(s) {
		set[s[i]] = true
	}
	return set
}
