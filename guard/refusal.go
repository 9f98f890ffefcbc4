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
	denied string          // by whom, if the hold was; "": by nobody
	hint   string          // "": by the verdict
	need   int64           // rows that an allowance must have
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
