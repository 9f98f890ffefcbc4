package backup

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
)

// script reads a plain dump statement by statement.
type script struct {
	r    *bufio.Reader
	line int
	open int // dumps begun and not ended, by pg_dump's own comments
}

func newScript(r io.Reader) *script { return &script{r: bufio.NewReaderSize(r, 1<<16)} }

// dumpComment heads a plain dump; with "complete" it ends one.
const dumpComment = "-- PostgreSQL database dump"

// psqlLine matches commands of psql's that pg_dump itself writes; they are
// dropped. The one that leads into another database has no effect here.
var psqlLine = regexp.MustCompile(`^\\(restrict|unrestrict|connect|encoding)\b`)

// next is the next statement, with its semicolon; io.EOF at the end. After a
// COPY … FROM stdin the caller reads the data before the next statement.
func (s *script) next() (string, error) {
	var b strings.Builder
	l := lexer{}
	begun := false // there is more than blanks and comments
	for {
		text, err := s.r.ReadString('\n')
		if text == "" && err != nil {
			if errors.Is(err, io.EOF) && (l.inside() || !begun) {
				if l.inside() {
					return "", fmt.Errorf("line %d: the dump ends within a statement: it is cut off", s.line)
				}
				if s.open > 0 {
					return "", fmt.Errorf("line %d: pg_dump's last line (%s complete) is missing: the dump is cut off", s.line, dumpComment)
				}
				return "", io.EOF
			}
			if errors.Is(err, io.EOF) {
				return b.String(), nil // a last statement without its semicolon
			}
			return "", err
		}
		s.line++
		if !l.inside() && !begun {
			switch strings.TrimRight(text, "\r\n") {
			case dumpComment:
				s.open++
			case dumpComment + " complete":
				s.open--
			}
		}
		if !l.inside() && !begun && strings.HasPrefix(text, `\`) {
			if !psqlLine.MatchString(text) {
				return "", fmt.Errorf("line %d: the dump holds a command of psql (%s); only what pg_dump writes is loaded", s.line, strings.Fields(text)[0])
			}
			b.Reset()
			continue
		}
		end, err := l.feed(text)
		if err != nil {
			return "", fmt.Errorf("line %d: %w", s.line, err)
		}
		b.WriteString(text)
		begun = begun || !blank(text)
		if !end {
			continue
		}
		return b.String(), nil
	}
}

func blank(text string) bool { return uncommented(text) == "" }

// data is the rows of a COPY up to its end mark, and counts them.
type data struct {
	s    *script
	rest []byte
	rows int64
	done bool
}

func (d *data) Read(p []byte) (int, error) {
	for len(d.rest) == 0 {
		if d.done {
			return 0, io.EOF
		}
		start, err := d.s.r.Peek(3)
		if bytes.HasPrefix(start, []byte("\\.")) && (len(start) == 2 || start[2] == '\n' || start[2] == '\r') {
			d.done = true
			_, _ = d.s.r.ReadString('\n')
			d.s.line++
			continue
		}
		if len(start) == 0 {
			if errors.Is(err, io.EOF) {
				err = fmt.Errorf("line %d: the dump ends within a table's rows: it is cut off", d.s.line)
			}
			return 0, err
		}
		if err := d.nextLine(); err != nil {
			return 0, err
		}
	}
	n := copy(p, d.rest)
	d.rest = d.rest[n:]
	return n, nil
}

func (d *data) nextLine() error {
	d.rest = d.rest[:0]
	for {
		part, err := d.s.r.ReadSlice('\n')
		d.rest = append(d.rest, part...)
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF): // the end mark is missing: found at the next read
		case err != nil:
			return err
		}
		d.rows++
		d.s.line++
		return nil
	}
}

// lexer knows, between lines, inside of what it is.
type lexer struct {
	quote   string // ' or " or E (escape string) or $tag$; "" outside
	comment int    // depth of /* */
	depth   int    // of parentheses
	begun   bool   // it has read a word
	routine bool   // the statement makes a function or procedure
	atomic  int    // of BEGIN ATOMIC … END, which only such a one has
}

func (l *lexer) inside() bool { return l.quote != "" || l.comment > 0 || l.depth > 0 || l.atomic > 0 }

var (
	dollar  = regexp.MustCompile(`^\$([A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$`)
	routine = regexp.MustCompile(`(?i)^create\s+(or\s+replace\s+)?(function|procedure)\b`)
	atomic  = regexp.MustCompile(`(?i)^begin\s+atomic\b`)
	wordEnd = regexp.MustCompile(`(?i)^(end|case)\b`)
)

// feed reads a line; end: it ended the statement.
func (l *lexer) feed(text string) (end bool, err error) {
	for i := 0; i < len(text); {
		rest := text[i:]
		switch {
		case l.comment > 0:
			switch {
			case strings.HasPrefix(rest, "*/"):
				l.comment--
				i++
			case strings.HasPrefix(rest, "/*"):
				l.comment++
				i++
			}
		case l.quote == "E" && rest[0] == '\\':
			i++
		case l.quote == "E" && rest[0] == '\'', l.quote == "'" && rest[0] == '\'', l.quote == `"` && rest[0] == '"':
			l.quote = "" // doubled: it opens again at once
		case l.quote != "" && l.quote[0] == '$' && strings.HasPrefix(rest, l.quote):
			i += len(l.quote) - 1
			l.quote = ""
		case l.quote != "":
		case strings.HasPrefix(rest, "--"):
			return end, nil
		case strings.HasPrefix(rest, "/*"):
			l.comment = 1
			i++
		case rest[0] == '\'':
			l.quote = "'"
			if i > 0 && (text[i-1] == 'E' || text[i-1] == 'e') && (i == 1 || !wordByte(text[i-2])) {
				l.quote = "E"
			}
		case rest[0] == '"':
			l.quote = `"`
		case rest[0] == '$' && (i == 0 || !wordByte(text[i-1])) && dollar.MatchString(rest):
			l.quote = dollar.FindString(rest)
			i += len(l.quote) - 1
		case rest[0] == '(':
			l.depth++
		case rest[0] == ')':
			l.depth--
		case rest[0] == '\\':
			return false, errors.New("the dump holds a command of psql within a statement")
		case rest[0] == ';' && l.depth <= 0 && l.atomic == 0:
			if !blank(rest[1:]) {
				return false, errors.New("two statements are in one line; only what pg_dump writes is loaded")
			}
			l.depth = 0
			return true, nil
		case wordByte(rest[0]) && (i == 0 || !wordByte(text[i-1])):
			if !l.begun {
				l.begun, l.routine = true, routine.MatchString(rest)
			} else if l.routine && atomic.MatchString(rest) {
				l.atomic++
			} else if m := wordEnd.FindString(rest); m != "" && l.atomic > 0 {
				if strings.EqualFold(m, "end") {
					l.atomic--
				} else {
					l.atomic++
				}
			}
		}
		i++
	}
	return end, nil
}

func wordByte(c byte) bool {
	return c == '_' || c == '$' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}
