package guard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgproto3"
)

// cut splits a NUL-terminated string from the front of a message body.
func cut(body []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(body, 0)
	if i < 0 {
		return body, nil, false
	}
	return body[:i], body[i+1:], true
}

// short is what the server tells a statement or a portal by: it cuts their names.
func short[T string | []byte](name T) T { return name[:min(len(name), maxName)] }

const maxName = 63 // NAMEDATALEN - 1

// brief is a name as rowback sends it: servers take 10,000 bytes in a Describe or Close,
// and any number of them in a Parse or Bind.
func brief(name string) string {
	if ascii(name) {
		return short(name)
	}
	return name
}

const maxBrief = 9000

// ascii reports whether a name is the same in every encoding. The server converts others
// before it compares them, and cuts them then: what they stand for is not known here.
func ascii[T string | []byte](name T) bool {
	for i := range len(name) {
		if name[i] >= 0x80 {
			return false
		}
	}
	return true
}

func oid(b []byte) uint32 { return binary.BigEndian.Uint32(b) }

func runeCount(s string) int { return utf8.RuneCountInString(s) }

func parseBody(name, sql string, types []byte) []byte {
	b := make([]byte, 0, len(name)+len(sql)+len(types)+4)
	b = append(append(b, name...), 0)
	b = append(append(b, sql...), 0)
	if types == nil {
		return append(b, 0, 0)
	}
	return append(b, types...)
}

// bindText binds a statement without parameters, all results as text.
func bindText(portal, statement string) []byte {
	b := append([]byte(portal), 0)
	b = append(append(b, statement...), 0)
	return append(b, 0, 0, 0, 0, 0, 0)
}

// bindFormats is bindText with result formats.
func bindFormats(portal, statement string, formats []uint16) []byte {
	return joinBind(portal, statement, []byte{0, 0, 0, 0}, formats)
}

func executeBody(portal string) []byte { return append([]byte(portal), 0, 0, 0, 0, 0) }

// target is the body of Describe and Close: 'S' or 'P', and a name.
func target(kind byte, name string) []byte {
	return append(append([]byte{kind}, name...), 0)
}

// targetOf is the inverse of target; not ok: body is none.
func targetOf(body []byte) (kind byte, name []byte, ok bool) {
	if len(body) < 2 {
		return 0, nil, false
	}
	name, rest, ok := cut(body[1:])
	return body[0], name, ok && len(rest) == 0
}

// errorBody encodes an ErrorResponse.
func errorBody(e *pgproto3.ErrorResponse) []byte {
	frame, err := e.Encode(nil)
	if err != nil { // only for bodies over 1 GiB
		return []byte{0}
	}
	return frame[5:]
}

// errorText is the message of an ErrorResponse, for logs.
func errorText(body []byte) string {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil {
		return "undecodable error"
	}
	return fmt.Sprintf("%s (%s)", e.Message, e.Code)
}

// errorCode is the SQLSTATE of an ErrorResponse.
func errorCode(body []byte) string {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil {
		return ""
	}
	return e.Code
}

// shiftPosition moves the position field of an ErrorResponse or NoticeResponse
// by delta characters and leaves every other byte alone.
func shiftPosition(body []byte, delta int) []byte {
	if delta == 0 {
		return body
	}
	for rest := body; len(rest) > 1; {
		val, next, ok := cut(rest[1:])
		if !ok {
			return body
		}
		if rest[0] == 'P' {
			if n, err := strconv.Atoi(string(val)); err == nil && n+delta > 0 {
				at := len(body) - len(rest)
				out := append([]byte(nil), body[:at+1]...)
				out = append(strconv.AppendInt(out, int64(n+delta), 10), 0)
				return append(out, next...)
			}
			return body
		}
		rest = next
	}
	return body
}

// asDelete makes the error of a read-only transaction speak of DELETE: the
// captured form is a SELECT, of which rows may be locked. The command's name stands in it untranslated.
func asDelete(body []byte) []byte {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil || e.Code != "25006" {
		return body
	}
	body = bytes.Replace(body, []byte(" SELECT FOR UPDATE "), []byte(" SELECT "), 1)
	return bytes.Replace(body, []byte(" SELECT "), []byte(" DELETE "), 1)
}

// columns yields the values of a DataRow body; nil is NULL. They alias body.
func columns(body []byte) ([][]byte, error) { return columnsIn(nil, body) }

// columnsIn is columns in the place of others.
func columnsIn(cols [][]byte, body []byte) ([][]byte, error) {
	if len(body) < 2 {
		return nil, errMalformed
	}
	n := int(binary.BigEndian.Uint16(body))
	cols, b := slices.Grow(cols[:0], n)[:n], body[2:]
	for i := range cols {
		if len(b) < 4 {
			return nil, errMalformed
		}
		l := int32(binary.BigEndian.Uint32(b))
		if b = b[4:]; l < 0 {
			cols[i] = nil
			continue
		}
		if int(l) > len(b) {
			return nil, errMalformed
		}
		cols[i], b = b[:l:l], b[l:]
	}
	return cols, nil
}

// firstColumns is a DataRow body of the first n columns of another.
func firstColumns(cols [][]byte, n int) []byte {
	b := binary.BigEndian.AppendUint16(nil, uint16(n))
	for _, c := range cols[:n] {
		if c == nil {
			b = binary.BigEndian.AppendUint32(b, 0xffffffff)
			continue
		}
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(c))), c...)
	}
	return b
}

// firstFields is a RowDescription body without its last cut fields.
func firstFields(body []byte, cutLast int) ([]byte, int, error) {
	if len(body) < 2 {
		return nil, 0, errMalformed
	}
	n := int(binary.BigEndian.Uint16(body)) - cutLast
	if n < 0 {
		return nil, 0, errMalformed
	}
	rest := body[2:]
	for range n {
		_, next, ok := cut(rest)
		if !ok || len(next) < 18 {
			return nil, 0, errMalformed
		}
		rest = next[18:]
	}
	out := binary.BigEndian.AppendUint16(nil, uint16(n))
	return append(out, body[2:len(body)-len(rest)]...), n, nil
}

// withFormats is a RowDescription body with the result formats of a Bind.
func withFormats(body []byte, formats []uint16) []byte {
	out := bytes.Clone(body)
	rest := out[2:]
	for i := 0; len(rest) > 0; i++ {
		_, next, ok := cut(rest)
		if !ok || len(next) < 18 {
			break
		}
		f := uint16(0)
		switch {
		case len(formats) == 1:
			f = formats[0]
		case i < len(formats):
			f = formats[i]
		}
		binary.BigEndian.PutUint16(next[16:], f)
		rest = next[18:]
	}
	return out
}

// splitBind cuts a Bind body into the statement's name, all that lies between
// the name and the result formats, and these.
func splitBind(body []byte) (portal, statement string, params []byte, formats []uint16, err error) {
	p, rest, ok := cut(body)
	st, rest, ok2 := cut(rest)
	if !ok || !ok2 || len(rest) < 2 {
		return "", "", nil, nil, errMalformed
	}
	b := rest
	skip := 2 + 2*int(binary.BigEndian.Uint16(b))
	if len(b) < skip+2 {
		return "", "", nil, nil, errMalformed
	}
	n := int(binary.BigEndian.Uint16(b[skip:]))
	b = b[skip+2:]
	for range n {
		if len(b) < 4 {
			return "", "", nil, nil, errMalformed
		}
		l := int32(binary.BigEndian.Uint32(b))
		if b = b[4:]; l > 0 {
			if int(l) > len(b) {
				return "", "", nil, nil, errMalformed
			}
			b = b[l:]
		}
	}
	params = rest[:len(rest)-len(b)]
	if len(b) < 2 || len(b) != 2+2*int(binary.BigEndian.Uint16(b)) {
		return "", "", nil, nil, errMalformed
	}
	for b = b[2:]; len(b) > 0; b = b[2:] {
		formats = append(formats, binary.BigEndian.Uint16(b))
	}
	return string(p), string(st), params, formats, nil
}

// joinBind is the inverse of splitBind.
func joinBind(portal, statement string, params []byte, formats []uint16) []byte {
	b := append([]byte(portal), 0)
	b = append(append(b, statement...), 0)
	b = append(b, params...)
	b = binary.BigEndian.AppendUint16(b, uint16(len(formats)))
	for _, f := range formats {
		b = binary.BigEndian.AppendUint16(b, f)
	}
	return b
}

// withoutPosition is an ErrorResponse body without its position (P), which
// counts in rowback's own text.
func withoutPosition(body []byte) []byte {
	var e pgproto3.ErrorResponse
	if err := e.Decode(body); err != nil {
		return body
	}
	e.Position = 0
	return errorBody(&e)
}

// withoutContext is an ErrorResponse body without its context field (W): that
// names rowback's own query.
func withoutContext(body []byte) []byte {
	var out []byte
	for rest := body; len(rest) > 1; {
		_, next, ok := cut(rest[1:])
		if !ok {
			break
		}
		if rest[0] != 'W' {
			out = append(out, rest[:len(rest)-len(next)]...)
		}
		rest = next
	}
	return append(out, 0)
}
