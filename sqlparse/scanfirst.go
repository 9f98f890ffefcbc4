package sqlparse

import "bytes"

// start is the offset of a text's first token: behind white space, comments,
// empty statements and opening parentheses. An unterminated comment is a token.
func start(text []byte) int {
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case isSpace(c) || c == '(' || c == ';':
			i++
		case c == '-' && i+1 < len(text) && text[i+1] == '-':
			end := bytes.IndexAny(text[i:], "\n\r")
			if end < 0 {
				return len(text)
			}
			i += end
		case c == '/' && i+1 < len(text) && text[i+1] == '*':
			end := blockComment(text[i:])
			if end < 0 {
				return i
			}
			i += end
		default:
			return i
		}
	}
	return len(text)
}

// blockComment is the length of the comment that text begins with (they nest),
// -1 if it does not end.
func blockComment(text []byte) int {
	for i, depth := 0, 0; i+1 < len(text); {
		switch {
		case text[i] == '/' && text[i+1] == '*':
			depth++
			i += 2
		case text[i] == '*' && text[i+1] == '/':
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

// firstWord lower-cases the word that text begins with into buf; nil if it is
// none or longer than any keyword.
func firstWord(text []byte, buf *[12]byte) []byte {
	n := 0
	for ; n < len(text) && isWord[text[n]]; n++ {
		if n == len(buf) {
			return nil
		}
		buf[n] = lower[text[n]]
	}
	return buf[:n]
}

// Begins reports whether a statement begins with a word, in lower case, behind comments.
func Begins(text, word string) bool {
	var buf [12]byte
	return string(firstWord([]byte(text)[start([]byte(text)):], &buf)) == word
}

// harmless reports whether a text that begins so needs no look but for the
// words that matter anywhere.
func harmless(text []byte) bool {
	var buf [12]byte
	switch string(firstWord(text, &buf)) {
	case "select", "insert", "update", "with", "values", "table",
		"show", "fetch", "move", "close", "declare", "listen", "unlisten", "notify", "lock",
		"checkpoint", "analyze", "analyse", "vacuum", "reindex":
		return true
	}
	return false
}

// beginsStatement reports whether what follows a semicolon begins with a word
// that matters there, or with a comment: that semicolon may itself be in a
// string, so what is a comment cannot be told.
func beginsStatement(text []byte) bool {
	i := 0
	for i < len(text) && (isSpace(text[i]) || text[i] == '(') {
		i++
	}
	if i+1 < len(text) && (text[i] == '-' && text[i+1] == '-' || text[i] == '/' && text[i+1] == '*') {
		return true
	}
	var buf [12]byte
	switch string(firstWord(text[i:], &buf)) {
	case "abort", "begin", "start", "commit", "end", "rollback", "savepoint", "release", "prepare",
		"truncate", "drop", "execute", "call", "do", "explain", "copy",
		"alter", "create", "import", "set", "reset", "discard", "reassign", "security", "grant", "revoke", "comment", "refresh", "cluster":
		return true
	}
	return false
}
