package sqlparse

import (
	"strconv"
	"strings"
	"unicode"
)

const allowanceMark = "rowback:allow="

// AllowanceComment reads the allowance that a statement asks for by a comment
// before its first word, behind white space and other comments:
//
//	/* rowback:allow=60000 reason=GDPR batch 7 */ DELETE …
//	-- rowback:allow=60000 reason="GDPR batch 7"
//
// rows is at least 1, in digits alone. The reason may be missing; it ends with
// the comment, or with its quote (doubled inside, as in SQL). White space in it
// becomes single spaces, control characters go. ok is false if no comment asks,
// or the first one that does is not of this form.
//
// A comment survives only where the client sends it: psql before 15 sends no
// "--" comment, and some drivers none at all.
func AllowanceComment(text string) (rows int64, reason string, ok bool) {
	for {
		text = strings.TrimLeft(text, " \t\n\v\f\r")
		var comment string
		if comment, text, ok = cutComment(text); !ok {
			return 0, "", false
		}
		if comment = strings.TrimSpace(comment); strings.HasPrefix(comment, allowanceMark) {
			return allowance(comment[len(allowanceMark):])
		}
	}
}

// cutComment cuts the comment that text begins with, without its marks, off the rest.
func cutComment(text string) (comment, rest string, ok bool) {
	switch {
	case strings.HasPrefix(text, "--"):
		end := strings.IndexAny(text, "\n\r")
		if end < 0 {
			end = len(text)
		}
		return text[2:end], text[end:], true
	case strings.HasPrefix(text, "/*"):
		if end := blockComment([]byte(text)); end > 0 {
			return text[2 : end-2], text[end:], true
		}
	}
	return "", "", false
}

func allowance(s string) (rows int64, reason string, ok bool) {
	digits := len(s) - len(strings.TrimLeft(s, "0123456789"))
	rows, err := strconv.ParseInt(s[:digits], 10, 64)
	rest := s[digits:]
	if err != nil || rows < 1 || s[0] == '0' || rest != "" && !isSpace(rest[0]) {
		return 0, "", false
	}
	if rest = strings.TrimSpace(rest); rest == "" {
		return rows, "", true
	}
	reason, ok = strings.CutPrefix(rest, "reason=")
	if ok && reason != "" && (reason[0] == '\'' || reason[0] == '"') {
		reason, ok = unquote(reason)
	}
	if !ok {
		return 0, "", false
	}
	return rows, plainText(reason), true
}

// unquote reads a quoted text that must be all there is.
func unquote(s string) (string, bool) {
	quote := s[:1]
	if len(s) < 2 || !strings.HasSuffix(s, quote) {
		return "", false
	}
	inside := s[1 : len(s)-1]
	without := strings.ReplaceAll(inside, quote+quote, "")
	return strings.ReplaceAll(inside, quote+quote, quote), !strings.Contains(without, quote)
}

// plainText makes a text fit for one line of a log: valid UTF-8, no control characters.
func plainText(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.C, r) && !unicode.IsSpace(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(s, "\uFFFD"))
	return strings.Join(strings.Fields(s), " ")
}
