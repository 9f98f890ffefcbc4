package main

import (
	"bufio"
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/rowback/rowback/journal"
)

const logLine = "%-20s  %-26s  %-17s  %9v  %-34s  %-20s  %s\n"

func printHeader(out *bufio.Writer) {
	fmt.Fprintf(out, logLine, "TIME", "ID", "OUTCOME", "ROWS", "TABLES", "USER@DATABASE", "STATEMENT")
}

func printLine(out *bufio.Writer, e *journal.Entry) error {
	outcome := string(e.Outcome)
	if e.Alert != "" && e.Outcome != journal.Blocked {
		outcome += " (alert)"
	}
	who := oneLine(e.User+"@"+e.Database, 40)
	_, err := fmt.Fprintf(out, logLine, shortTime(e.Time), e.ID, outcome, e.Rows, tablesBrief(e.Tables), who, statementBrief(e))
	return err
}

func shortTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// tablesBrief names the first tables with their rows.
func tablesBrief(tables []journal.Table) string {
	const most = 3
	var parts []string
	for i, t := range tables {
		if i == most && len(tables) > most+1 {
			parts = append(parts, fmt.Sprintf("+%d more", len(tables)-most))
			break
		}
		part := fmt.Sprintf("%s %d", tableName(t), t.Rows)
		if staysInPlace(t) {
			part += " cut"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", ")
}

// staysInPlace: these rows were not removed, only their link was.
func staysInPlace(t journal.Table) bool { return t.Via == journal.SetNull || t.Via == journal.SetDef }

func tableName(t journal.Table) string {
	if t.Schema == "" || t.Schema == "public" {
		return oneLine(t.Name, 60)
	}
	return oneLine(t.Schema+"."+t.Name, 60)
}

func statementBrief(e *journal.Entry) string {
	switch {
	case e.Kind == journal.Restore:
		return oneLine("restore of "+strings.Join(e.Restores, ", "), 60)
	case len(e.Statements) == 0:
		return ""
	case len(e.Statements) == 1:
		return oneLine(e.Statements[0].SQL, 60)
	}
	return fmt.Sprintf("%s (+%d more)", oneLine(e.Statements[0].SQL, 50), len(e.Statements)-1)
}

func printFull(ctx context.Context, out *bufio.Writer, j journal.Journal, e *journal.Entry, keys bool) error {
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-12s %s\n", name, value)
		}
	}
	field("id", e.ID)
	field("time", e.Time.UTC().Format(time.RFC3339Nano))
	field("kind", string(e.Kind))
	field("outcome", string(e.Outcome))
	field("alert", oneLine(e.Alert, 0))
	field("database", oneLine(e.Database, 0))
	field("user", oneLine(e.User, 0))
	field("application", oneLine(e.Application, 0))
	field("client", oneLine(e.Client, 0))
	field("xid", e.XID)
	field("proxy", oneLine(e.Proxy, 0))
	field("restores", strings.Join(e.Restores, ", "))
	field("rows", fmt.Sprint(e.Rows))
	if len(e.Tables) > 0 {
		fmt.Fprintf(out, "tables\n")
	}
	for _, t := range e.Tables {
		fmt.Fprintf(out, "  %9d  %s  %s\n", t.Rows, tableName(t), tableRemark(t))
	}
	if len(e.Statements) > 0 {
		fmt.Fprintf(out, "statements\n")
	}
	for _, s := range e.Statements {
		for line := range strings.Lines(strings.TrimSpace(s.SQL)) {
			fmt.Fprintf(out, "  %s\n", oneLine(line, 0))
		}
		if s.Tag != "" {
			fmt.Fprintf(out, "    → %s\n", oneLine(s.Tag, 0))
		}
	}
	if !keys {
		return out.Flush()
	}
	fmt.Fprintf(out, "keys\n")
	return eachKey(ctx, j, e, func(key []byte) error {
		_, err := fmt.Fprintf(out, "  %s\n", key)
		return err
	})
}

func tableRemark(t journal.Table) string {
	remark := string(t.Via)
	if staysInPlace(t) {
		remark += ", link cut, row still there"
	}
	if !t.KeysCaptured {
		remark += ", keys not captured"
		if t.Why != "" {
			remark += ": " + oneLine(t.Why, 0)
		}
	}
	return remark
}

// oneLine makes text from elsewhere fit for a terminal: white space as one
// blank, nothing unprintable, at most limit characters (0: any number).
func oneLine(text string, limit int) string {
	if limit > 0 && len(text) > 16*limit {
		text = text[:16*limit] // statements can be huge
	}
	text = strings.Join(strings.Fields(text), " ")
	text = strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
	if limit > 0 && utf8.RuneCountInString(text) > limit {
		text = string([]rune(text)[:limit-1]) + "…"
	}
	return text
}
