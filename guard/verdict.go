package guard

import (
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/journal"
)

// SQLSTATEs of rowback's own, see the README.
const (
	codeBlocked    = "RB001"
	codeNoEvidence = "RB002"
)

// judge says what is wrong with a statement that removed rows from tables, and
// with its transaction then: "" if nothing. The text continues "DELETE".
func (p Policy) judge(statement, tx []journal.Table) string {
	remove, bring := "would remove", "would bring"
	if p.Mode != Block {
		remove, bring = "removed", "brought"
	}
	if n := total(statement); n > p.Limit {
		return fmt.Sprintf("%s %s, limit %d", remove, rowsOf(statement), p.Limit)
	}
	if n := total(tx); n > p.Limit {
		return fmt.Sprintf("%s the rows removed by this transaction to %s, limit %d", bring, rowsOf(tx), p.Limit)
	}
	return ""
}

// uncaptured says, where the policy asks for every key, that a statement
// removed rows without: "" if it did not. It refuses in any mode.
func (p Policy) uncaptured(statement []journal.Table) string {
	without := keyless(statement)
	if p.Uncaptured != Refuse || len(without) == 0 {
		return ""
	}
	return fmt.Sprintf("would remove %s whose keys cannot be recorded (%s)", rowsOf(without), without[0].Why)
}

// keyless are the tables whose removed rows no captured key stands for.
func keyless(tables []journal.Table) []journal.Table {
	var out []journal.Table
	for _, t := range tables {
		if !t.KeysCaptured && t.Rows > 0 && t.Via != journal.SetNull && t.Via != journal.SetDef {
			out = append(out, t)
		}
	}
	return out
}

func total(tables []journal.Table) int64 {
	var n int64
	for _, t := range tables {
		if t.Via != journal.SetNull && t.Via != journal.SetDef {
			n += t.Rows
		}
	}
	return n
}

// maxNamed bounds the tables named in a message.
const maxNamed = 12

// rowsOf is "50382 rows (orders 1237, payments 8642)".
func rowsOf(tables []journal.Table) string {
	var names []string
	var perTable = map[string]int64{}
	for _, t := range tables {
		if t.Via == journal.SetNull || t.Via == journal.SetDef || t.Rows == 0 {
			continue
		}
		n := displayName(t)
		if _, seen := perTable[n]; !seen {
			names = append(names, n)
		}
		perTable[n] += t.Rows
	}
	n := total(tables)
	rows := "rows"
	if n == 1 {
		rows = "row"
	}
	if len(names) == 0 {
		return fmt.Sprintf("%d %s", n, rows)
	}
	parts := make([]string, 0, len(names))
	for i, name := range names {
		if i == maxNamed {
			parts = append(parts, fmt.Sprintf("and %d more tables", len(names)-i))
			break
		}
		parts = append(parts, fmt.Sprintf("%s %d", name, perTable[name]))
	}
	return fmt.Sprintf("%d %s (%s)", n, rows, strings.Join(parts, ", "))
}

func displayName(t journal.Table) string {
	if t.Schema == "public" || t.Schema == "" {
		return t.Name
	}
	return t.Schema + "." + t.Name
}

func blockedError(verb, what, id string, limit int64) *pgproto3.ErrorResponse {
	hint := "Ask an operator to raise rowback's threshold for this work"
	switch {
	case strings.Contains(what, "cannot be recorded"):
		hint = "Give the table a primary key, let the role read it, or ask an operator for --uncaptured allow"
	case strings.Contains(what, "cannot be counted"), strings.Contains(what, "does not count"):
		hint = "Ask an operator for --uncountable allow, or run it past rowback"
	case verb == "DELETE":
		hint = fmt.Sprintf("Delete in separate transactions of at most %d rows, or ask an operator to raise rowback's threshold for this work", limit)
	}
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: codeBlocked,
		Message: verb + " " + what,
		Detail:  "Nothing was removed. Reference: " + id,
		Hint:    fmt.Sprintf("%s. \"rowback log %s\" shows what was refused.", hint, id),
	}
}

func noEvidenceError(cause string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: codeNoEvidence,
		Message: "rowback cannot make the evidence of this deletion durable",
		Detail:  "Nothing was removed. The journal cannot be written: " + cause,
		Hint:    "Ask an operator to mend rowback's journal (disk space, permissions); deletes work again by themselves then.",
	}
}

// changedError is for a statement that was planned for another state of the
// catalog. Clients that retry serialization failures run it again by themselves.
func changedError() *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "40001",
		Message: "what this DELETE would remove has just changed: its table's name, foreign keys, triggers or partitions",
		Detail:  "Nothing was removed. rowback judges a statement by the catalog, which was changed past it.",
		Hint:    "Run the transaction again.",
	}
}

func faultError(err error) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{
		Severity: "ERROR", SeverityUnlocalized: "ERROR", Code: "XX000",
		Message: "rowback could not judge this statement: " + err.Error(),
		Hint:    "The transaction is rolled back. rowback's log has the details.",
	}
}
