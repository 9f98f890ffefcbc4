package explain

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteJSON writes the explanation as one object.
func (e *Explanation) WriteJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

// WriteText writes the explanation for people.
func (e *Explanation) WriteText(w io.Writer) {
	or := func(s, none string) string {
		if s == "" {
			return none
		}
		return s
	}
	fmt.Fprintf(w, "for user %s, database %s, application %s, client %s\n",
		or(e.User, "(none given)"), or(e.Database, "(none given)"), or(e.Application, "(none given)"), e.Client)
	if e.By == "text" {
		fmt.Fprintln(w, "by the text alone: without a connection, which tables cascades reach is not known")
	}
	for i := range e.Statements {
		fmt.Fprintln(w)
		e.Statements[i].write(w)
	}
}

func (s *Statement) write(w io.Writer) {
	fmt.Fprintf(w, "%s\n", strings.Join(strings.Fields(s.SQL), " "))
	word := map[Outcome]string{Plain: "is not judged", Judged: "is judged", Refused: "is refused", Held: "is held", Alerted: "goes through, and people are told"}[s.Outcome]
	fmt.Fprintf(w, "  %s %s: %s\n", s.Kind, word, s.Why)
	width := 0
	names := make([]string, len(s.Tables))
	for i, t := range s.Tables {
		names[i] = t.Table
		switch {
		case t.Table == "":
			names[i] = "(any table)"
		case t.Via != "direct":
			names[i] += " (" + t.Via + ")"
		}
		width = max(width, utf8.RuneCountInString(names[i]))
	}
	for i, t := range s.Tables {
		rule := t.Rule
		if t.For != "" && t.Rule != "default" {
			rule += " (" + t.For + ")"
		}
		fmt.Fprintf(w, "  %-*s  rule %s\n  %*s  %s\n", width, names[i], rule, width, "", t.Does)
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
}
