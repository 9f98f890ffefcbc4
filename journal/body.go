package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
)

// The body of an entry, allowance or hold is one JSON object. Its first member is the
// CRC-32C of what follows it: a byte that changes on the disk must not name another
// table. There is none in the bodies that a rowback of before wrote, or, beside this
// one, writes anew: it does not know the member, and leaves it out.
const bodySum = `{"crc32c":"`

var errBadBody = errors.New("its body is not what was written")

func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return fmt.Appendf(nil, `%s%08x",%s`, bodySum, crc32.Checksum(text[1:], castagnoli), text[1:]), nil
}

func decode(body []byte, v any) error {
	if rest, ok := bytes.CutPrefix(body, []byte(bodySum)); ok {
		if sum, text, ok := bytes.Cut(rest, []byte(`",`)); !ok || string(sum) != fmt.Sprintf("%08x", crc32.Checksum(text, castagnoli)) {
			return errBadBody
		}
	}
	return json.Unmarshal(body, v)
}
