package guard

import "strings"

// What the server says in a client's session beside its answers is the client's, but for
// what it says of rowback's own queries, and once more of a statement that it has read
// already (see proxy.Wire.Mute).

// own: of a query of rowback's own, unless it is the server's own end that it speaks of.
func own(notice []byte) bool { return !strings.HasPrefix(errorCode(notice), "57") }

// noBlock: that there is no transaction block.
func noBlock(notice []byte) bool { return errorCode(notice) == "25P01" }

// logged: what its log would say, of a form of rowback's own.
func logged(notice []byte) bool {
	for rest := notice; len(rest) > 1; {
		value, next, ok := cut(rest[1:])
		if !ok {
			return false
		}
		if rest[0] == 'V' {
			return string(value) == "LOG" || strings.HasPrefix(string(value), "DEBUG")
		}
		rest = next
	}
	return false
}
