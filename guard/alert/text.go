package alert

import (
	"fmt"
	"strings"
	"time"

	"github.com/rowback/rowback/journal"
)

// maxTables bounds the tables named in a text.
const maxTables = 25

// headline says what happened, in a few words.
func (n *Notice) headline() string {
	switch n.Kind {
	case Blocked:
		return "rowback blocked a statement in " + n.Entry.Database
	case Alert:
		return "rows over the limit were removed in " + n.Entry.Database
	case Uncaptured:
		return "rows were removed in " + n.Entry.Database + " whose keys are not recorded"
	case Held:
		return "a statement in " + n.Hold.Database + " waits for your word"
	}
	return "this is a test of rowback's alerts"
}

// what is the numbers, and the limit that they are over.
func (n *Notice) what() string {
	switch {
	case n.Hold != nil:
		return n.Hold.What
	case n.Entry == nil:
		return "Alerts from " + n.proxy + " reach this place. Nothing happened."
	case n.Entry.Alert == "":
		return "removed " + rowsOf(n.Entry.Rows) + " within the limits"
	}
	return n.Entry.Alert
}

// tables are the exact numbers by table, "" where the statement has not run yet.
func (n *Notice) tables() string {
	var parts []string
	for _, t := range n.shares() {
		part := fmt.Sprintf("%s %d", t.Table, t.Rows)
		if t.Via != "" && t.Via != string(journal.Direct) {
			part += " (" + strings.ReplaceAll(t.Via, "_", " ") + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) > maxTables {
		parts = append(parts[:maxTables], fmt.Sprintf("and %d more tables", len(parts)-maxTables))
	}
	return strings.Join(parts, ", ")
}

// who did it, from where, under which rule.
func (n *Notice) who() string {
	user, application, client, rule := "", "", "", ""
	switch {
	case n.Entry != nil:
		user, application, client, rule = n.Entry.User, n.Entry.Application, n.Entry.Client, n.Entry.Rule
	case n.Hold != nil:
		user, application, client, rule = n.Hold.User, n.Hold.Application, n.Hold.Client, n.Hold.Rule
	default:
		return ""
	}
	s := "by " + user
	if application != "" {
		s += " with " + application
	}
	if client != "" {
		s += " from " + client
	}
	if rule != "" {
		s += ", rule " + rule
	}
	return s
}

// leave is by whose leave an entry went over a limit.
func (n *Notice) leave() string {
	if n.Entry == nil {
		return ""
	}
	var parts []string
	for _, a := range n.Entry.Allowed {
		s := fmt.Sprintf("%s by %s", a.How, a.By)
		if a.Reason != "" {
			s += ": " + a.Reason
		}
		parts = append(parts, s)
	}
	return strings.Join(parts, "; ")
}

// next is what to do.
func (n *Notice) next() string {
	id := n.ID()
	switch n.Kind {
	case Blocked:
		s := "Nothing was removed. See it: rowback log " + id + "."
		if n.Denied != "" {
			return s + " To have it run all the same, ask " + n.Denied + ", who denied it."
		}
		if n.Entry.Rows > 0 {
			s += fmt.Sprintf(" If it is meant: rowback allow --rows %d --for 10m --once --user %s --database %s%s --reason WHY, then run it again.",
				n.Entry.Rows, quoted(n.Entry.User), quoted(n.Entry.Database), n.tableFlags())
		}
		return s
	case Alert, Uncaptured:
		s := fmt.Sprintf("The rows are gone. See them: rowback log %s. If it was a mistake: rowback restore %s --dry-run, then without --dry-run.", id, id)
		if rows, why := n.keyless(); rows > 0 {
			s += fmt.Sprintf(" The keys of %s are not recorded (%s): rowback diff finds those.", rowsOf(rows), why)
		}
		return s
	case Held:
		return fmt.Sprintf("Let it run: rowback allow %s. Refuse it: rowback deny %s. With no answer it is refused at %s.", id, id, n.Hold.Expires.UTC().Format(time.RFC3339))
	}
	return ""
}

// maxFlags bounds the tables that an allowance is suggested for; with more it is for any.
const maxFlags = 5

// tableFlags names the tables that rows went from by the statement itself.
func (n *Notice) tableFlags() string {
	var b strings.Builder
	seen := map[string]bool{}
	for _, t := range n.Entry.Tables {
		name := name(t)
		if t.Via == journal.Cascade || !counted(t) || seen[name] {
			continue
		}
		if seen[name] = true; len(seen) > maxFlags {
			return ""
		}
		b.WriteString(" --table " + quoted(name))
	}
	return b.String()
}

// keyless are the rows that cannot be restored by key, and why.
func (n *Notice) keyless() (rows int64, why string) {
	for _, t := range n.Entry.Tables {
		if counted(t) && !t.KeysCaptured && !t.RowsCaptured && t.Via != journal.Update {
			if rows += t.Rows; why == "" {
				why = t.Why
			}
		}
	}
	return rows, why
}

// others says what else this notice stands for.
func (n *Notice) others() string {
	if n.More == 0 {
		return ""
	}
	return fmt.Sprintf("and %d more like it (%s)", n.More, rowsOf(n.MoreRows))
}

// line is all of it that fits a line.
func (n *Notice) line() string {
	s := "rowback: " + strings.TrimPrefix(n.headline(), "rowback ") + ": " + n.what()
	for _, more := range []string{n.who(), n.others()} {
		if more != "" {
			s += ", " + more
		}
	}
	if n.Kind != Test {
		s += " (reference " + n.ID() + ")"
	}
	if n.Entry != nil && n.Kind != Blocked {
		if rows, why := n.keyless(); rows > 0 {
			s += fmt.Sprintf("; the keys of %s are not recorded: %s", rowsOf(rows), why)
		}
	}
	if n.Hold != nil {
		s += "; answer with rowback allow " + n.ID() + " or rowback deny " + n.ID()
	}
	return s
}

func rowsOf(n int64) string {
	if n == 1 {
		return "1 row"
	}
	return fmt.Sprintf("%d rows", n)
}

// quoted is a word as a shell takes it.
func quoted(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.@") == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
