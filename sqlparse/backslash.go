package sqlparse

import "strings"

// ParseBackslash is Parse for a session in which a backslash may not be what it seems:
// standard_conforming_strings is off (not conforming), or the client's encoding has
// characters whose later bytes are those of ASCII (Ambiguous). Statements are told
// apart as the server does; one with a backslash in it is Unknown.
func ParseBackslash(sql string, conforming bool, encoding string) []Statement {
	if i := strings.IndexByte(sql, 0); i >= 0 {
		sql = sql[:i]
	}
	if strings.IndexByte(sql, '\\') < 0 || conforming && !Ambiguous(encoding) {
		return Parse(sql)
	}
	neutral := []byte(sql)
	if Ambiguous(encoding) {
		maskCharacters(neutral, encoding)
	}
	if !conforming {
		maskEscapes(neutral)
	}
	var all []Statement
	for _, piece := range Parse(string(neutral)) {
		text, s := sql[piece.Offset:piece.Offset+len(piece.Text)], unknownVerdict()
		if strings.IndexByte(text, '\\') < 0 {
			inside := Parse(text)
			if len(inside) != 1 {
				return []Statement{unknown(sql, 0)}
			}
			s = inside[0]
		}
		s.Text, s.Offset = text, piece.Offset
		all = append(all, s)
	}
	return all
}

// Ambiguous reports whether a client encoding, by PostgreSQL's name, has characters
// whose later bytes are those of ASCII.
func Ambiguous(encoding string) bool {
	switch encoding {
	case "SJIS", "SHIFT_JIS_2004", "BIG5", "GBK", "GB18030", "UHC", "JOHAB":
		return true
	}
	return false
}

// maskCharacters puts placeholders for the bytes of characters that have several, as
// pg_encoding_mblen has them.
func maskCharacters(text []byte, encoding string) {
	for i := 0; i < len(text); {
		size := 1
		switch c := text[i]; {
		case c < 0x80, encoding == "SJIS" && c >= 0xa1 && c <= 0xdf, encoding == "SHIFT_JIS_2004" && c >= 0xa1 && c <= 0xdf:
		case encoding == "GB18030" && i+1 < len(text) && text[i+1] >= '0' && text[i+1] <= '9':
			size = 4
		default:
			size = 2
		}
		end := min(i+size, len(text))
		for ; size > 1 && i < end; i++ {
			text[i] = placeholder
		}
		i = end
	}
}

// maskEscapes puts placeholders for what a backslash begins in plain strings, where
// standard_conforming_strings is off: to the grammar they are then what they are to the
// server. E'…' means the same in either case, and so do X'…' and B'…'; U&'…' is an error there.
func maskEscapes(text []byte) {
	at := func(i int) byte {
		if i < len(text) {
			return text[i]
		}
		return 0
	}
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '-' && at(i+1) == '-':
			for i < len(text) && text[i] != '\n' && text[i] != '\r' {
				i++
			}
		case c == '/' && at(i+1) == '*':
			i = endOfComment(text, i)
		case c == '"':
			for i++; i < len(text) && text[i] != '"'; i++ {
			}
			i++
		case c == '$':
			i = endOfDollars(text, i)
		case c == '\'':
			i = maskString(text, i, true)
		case isStart[c] || c >= '0' && c <= '9':
			begin := i
			for i < len(text) && (isWord[text[i]] || text[i] == '$') {
				i++
			}
			if i == begin+1 && at(i) == '\'' && strings.IndexByte("eExXbB", c) >= 0 {
				i = maskString(text, i, false)
			}
		default:
			i++
		}
	}
}

// maskString returns where the string that begins at i ends; mask: escapes in it are masked.
func maskString(text []byte, i int, mask bool) int {
	for i++; i < len(text); i++ {
		switch text[i] {
		case '\'':
			return i + 1 // what a second quote goes on with is like a string of its own
		case '\\':
			if mask {
				text[i] = placeholder
			}
			if i++; mask && i < len(text) {
				text[i] = placeholder
			}
		}
	}
	return i
}

func endOfComment(text []byte, i int) int {
	depth := 0
	for i < len(text) {
		switch {
		case text[i] == '/' && i+1 < len(text) && text[i+1] == '*':
			depth++
			i += 2
		case text[i] == '*' && i+1 < len(text) && text[i+1] == '/':
			i += 2
			if depth--; depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return i
}

// endOfDollars is where the dollar-quoted string at i ends; behind the dollar if there is none.
func endOfDollars(text []byte, i int) int {
	end := i + 1
	for end < len(text) && isWord[text[end]] && (end > i+1 || text[end] < '0' || text[end] > '9') {
		end++
	}
	if end >= len(text) || text[end] != '$' {
		return i + 1
	}
	tag := string(text[i : end+1])
	if n := strings.Index(string(text[end+1:]), tag); n >= 0 {
		return end + 1 + n + len(tag)
	}
	return len(text)
}
