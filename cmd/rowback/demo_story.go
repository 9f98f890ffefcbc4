package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// story prints the demo: chapters, commands, their output, checked claims.
type story struct {
	w       io.Writer
	colours bool
	begun   time.Time
}

func newStory(w io.Writer) *story {
	return &story{w: w, colours: isTerminal(w) && os.Getenv("NO_COLOR") == "", begun: time.Now()}
}

const (
	bold  = "1"
	dim   = "2"
	red   = "31"
	green = "32"
	blue  = "36"
)

func (s *story) in(colour, text string) string {
	if !s.colours {
		return text
	}
	return "\x1b[" + colour + "m" + text + "\x1b[0m"
}

func (s *story) line(text string) { fmt.Fprintln(s.w, text) }

func (s *story) chapter(number int, title string) {
	s.line("")
	s.line(s.in(bold, fmt.Sprintf("%d. %s", number, title)))
}

func (s *story) say(format string, args ...any) { s.line("   " + fmt.Sprintf(format, args...)) }

// command shows a command that can be repeated by hand.
func (s *story) command(words ...string) {
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, shellQuote(w))
	}
	s.line("   " + s.in(blue, "$ "+strings.Join(quoted, " ")))
}

// output shows what a command said.
func (s *story) output(text string) {
	for line := range strings.Lines(text) {
		s.line("     " + strings.TrimRight(line, "\n"))
	}
}

// during shows what is being done, does it, and adds how long it took.
func (s *story) during(what string, do func() error) error {
	start := time.Now()
	fmt.Fprintf(s.w, "   %s …", what)
	err := do()
	if err != nil {
		s.line("")
		return err
	}
	s.line(s.in(dim, fmt.Sprintf(" %.1f s", time.Since(start).Seconds())))
	return nil
}

// claim prints what holds, or returns it as the error if it does not.
func (s *story) claim(holds bool, format string, args ...any) error {
	text := fmt.Sprintf(format, args...)
	if !holds {
		s.line("   " + s.in(red, "✗ "+text))
		return fmt.Errorf("this does not hold: %s", text)
	}
	s.line("   " + s.in(green, "✓ ") + text)
	return nil
}

// shellQuote is word as a POSIX shell must be given it.
func shellQuote(word string) string {
	special := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("-_./:@=,+%", r)
	}
	if word != "" && strings.IndexFunc(word, special) < 0 {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

// grouped is n with commas: 1,203,442.
func grouped(n int64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
