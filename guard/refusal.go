package guard

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// notRows as a verdict's limit: it is not about a number of rows, and no
// allowance of rows lifts it.
const notRows int64 = -2

// refusal is a statement that is not let through.
type refusal struct {
	verdict
	verb   string
	sql    string
	tables []journal.Table // what it removed, or would have
	id     string          // of the hold that came before; "": none
	hint   string          // "": by the verdict
}

// error is what the client reads.
func (x refusal) error(id string, who policy.Subject) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: codeBlocked,
		Message: x.verb + " " + x.what,
		Detail:  "Nothing was " + x.done() + ". Reference: " + id,
		Hint:    fmt.Sprintf("%s. \"rowback log %s\" shows what was refused.", x.advice(who), id),
	}
}

func (x refusal) done() string {
	for _, t := range x.tables {
		if t.Removed() {
			return "removed"
		}
	}
	if len(x.tables) > 0 {
		return "changed"
	}
	return "removed"
}

// advice is what to do next.
func (x refusal) advice(who policy.Subject) string {
	switch {
	case x.hint != "":
		return x.hint
	case strings.Contains(x.what, "cannot be recorded"):
		return "Give the table a primary key, let the role read it, or ask an operator for --uncaptured allow"
	case strings.Contains(x.what, "cannot be counted"), strings.Contains(x.what, "does not count"):
		return "Ask an operator for --uncountable allow, or run it past rowback"
	}
	ask := "ask an operator for an allowance: " + x.command(who)
	if (x.verb == "DELETE" || x.verb == "UPDATE") && x.rule != nil && x.rule.Transaction > 0 {
		return fmt.Sprintf("%s in separate transactions of at most %d rows, or %s", capital(x.verb), x.rule.Transaction, ask)
	}
	return capital(ask)
}

// command is the allowance that would let it through.
func (x refusal) command(who policy.Subject) string {
	var b strings.Builder
	fmt.Fprintf(&b, "rowback allow --rows %d --for 10m --once --user %s --database %s", max(1, counted(x.rule, x.tables)), shell(who.User), shell(who.Database))
	seen := map[string]bool{}
	for _, t := range x.tables {
		if name := displayName(t); t.Via != journal.Cascade && (t.Removed() || t.Via == journal.Update) && !seen[name] && len(seen) < maxNamed {
			seen[name] = true
			b.WriteString(" --table " + shell(name))
		}
	}
	return b.String()
}

// shell quotes a word for a shell where it needs that.
func shell(s string) string {
	if s != "" && strings.IndexFunc(s, func(c rune) bool {
		return !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.ContainsRune("._-/@:", c))
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func capital(s string) string { return strings.ToUpper(s[:1]) + strings.ToLower(s[1:2]) + lowered(s) }

// lowered is what follows a word's first two letters: in lower case if the word was a verb in capitals.
func lowered(s string) string {
	if s == strings.ToUpper(s) {
		return strings.ToLower(s[2:])
	}
	return s[2:]
}
