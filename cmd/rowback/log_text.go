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
	"github.com/rowback/rowback/recovery"
)

const logLine = "%-20s  %-26s  %-21s  %-*s  %9v  %-*s  %-24s  %s\n"

// How wide the columns are of what became of an entry, and of tables.
const (
	kindWidth   = 19
	tablesWidth = 40
)

func printHeader(out *bufio.Writer) {
	fmt.Fprintf(out, logLine, "TIME", "ID", "OUTCOME", kindWidth, "KIND", "ROWS", tablesWidth, "TABLES", "USER@DATABASE", "STATEMENT")
}

func printLine(ctx context.Context, out *bufio.Writer, since *aftermath, e *journal.Entry) error {
	outcome := string(e.Outcome)
	var marks []string
	if e.Alert != "" && e.Outcome != journal.Blocked {
		marks = append(marks, "alert")
	}
	if len(e.Allowed) > 0 {
		marks = append(marks, "allowed")
	}
	if len(marks) > 0 {
		outcome += " (" + strings.Join(marks, ", ") + ")"
	}
	who := oneLine(e.User+"@"+e.Database, 24)
	kind, err := since.kind(ctx, e)
	if err != nil {
		return err
	}
	kind += unrestorable(e)
	rows := fmt.Sprint(e.Rows)
	if uncounted(e) {
		rows = "?"
	}
	width := max(12, tablesWidth-max(0, utf8.RuneCountInString(kind)-kindWidth)) // what follows stays in its column
	_, err = fmt.Fprintf(out, logLine, shortTime(e.Time), e.ID, outcome, kindWidth, kind, rows, width, tablesBrief(e, width), who, statementBrief(e))
	return err
}

func shortTime(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func statementBrief(e *journal.Entry) string {
	switch {
	case e.Kind == journal.Restore:
		return oneLine(restoreOf(e), 60)
	case len(e.Statements) == 0:
		return ""
	case len(e.Statements) == 1:
		return oneLine(e.Statements[0].SQL, 60)
	}
	return fmt.Sprintf("%s (+%d more)", oneLine(e.Statements[0].SQL, 50), len(e.Statements)-1)
}

func printFull(ctx context.Context, out *bufio.Writer, j journal.Journal, since *aftermath, e *journal.Entry, keys bool) error {
	field := func(name, value string) {
		if value != "" {
			fmt.Fprintf(out, "%-12s %s\n", name, value)
		}
	}
	field("id", e.ID)
	field("time", e.Time.UTC().Format(time.RFC3339Nano))
	back, err := since.back(ctx, e)
	if err != nil {
		return err
	}
	field("kind", since.kindWith(e, back))
	field("outcome", string(e.Outcome))
	if recovery.Superseded(e) {
		by, err := recovery.SupersededBy(ctx, j, e)
		if err != nil {
			return err
		}
		if by != nil {
			field("see", by.ID+": what it removed, which commits by itself")
		}
	}
	if back != nil {
		by := "restored by"
		if e.Kind == journal.Restore {
			by = "undone by"
		}
		for _, d := range back.By {
			field(by, d.text(e.Kind))
		}
	}
	for _, v := range since.visits(e) {
		field("restored by", v.text(e))
	}
	field("alert", oneLine(e.Alert, 0))
	field("rule", oneLine(e.Rule, 0))
	for _, a := range e.Allowed {
		field("allowed", allowedBy(a))
	}
	field("database", oneLine(e.Database, 0))
	field("user", oneLine(e.User, 0))
	field("application", oneLine(e.Application, 0))
	field("client", oneLine(e.Client, 0))
	field("xid", e.XID)
	if e.Outcome == journal.InDoubt && e.Server.Timeline != 0 {
		field("prepared", "as "+oneLine(e.Prepared, 0)+": COMMIT PREPARED or ROLLBACK PREPARED ends it")
	} else {
		field("prepared", oneLine(e.Prepared, 0))
	}
	field("proxy", oneLine(e.Proxy, 0))
	if e.Kind == journal.Restore {
		field("restores", strings.TrimPrefix(restoreOf(e), "restore of "))
	}
	switch {
	case uncounted(e):
		field("rows", "unknown: nobody could count them")
	case e.Rows > 0 && !happened(e):
		field("rows", fmt.Sprintf("%d, none of which is gone", e.Rows))
	default:
		field("rows", fmt.Sprint(e.Rows))
	}
	if len(e.Tables) > 0 {
		fmt.Fprintf(out, "tables\n")
	}
	for _, t := range e.Tables {
		fmt.Fprintf(out, "  %9d  %s  %s\n", t.Rows, tableName(t), tableRemark(e, t))
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

// allowedBy is "60000 rows, by alice: allowance 01JY2M…, GDPR batch 7". A yes to the
// statement's kind is for no number of rows.
func allowedBy(a journal.Allowed) string {
	what := "the statement"
	if a.Rows > 0 {
		what = countOf(a.Rows, "row")
	}
	text := fmt.Sprintf("%s, by %s: %s", what, a.By, a.How)
	if a.ID != "" {
		text += " " + a.ID
	}
	if a.Reason != "" {
		text += ", " + a.Reason
	}
	return oneLine(text, 0)
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
