package backup

import (
	"fmt"
	"regexp"
	"strings"
)

// treatment is what becomes of a statement of a plain dump.
type treatment int

const (
	keep treatment = iota
	drop
	copyRows
	insertRow
)

// Names as pg_dump writes them.
const (
	quoted = `"(?:[^"]|"")*"`
	word   = `(?:` + quoted + `|[^\s"(.]+)`
	name   = word + `(?:\.` + word + `)?`
)

var (
	// What pg_dump --create, owners, privileges and tablespaces come to.
	dropped = regexp.MustCompile(`(?is)^(CREATE|ALTER|DROP|COMMENT ON|SECURITY LABEL .* ON) DATABASE\b|^(GRANT|REVOKE|ALTER DEFAULT PRIVILEGES)\b` +
		`|^SET (default_tablespace|SESSION AUTHORIZATION)\b|^(CREATE|ALTER|DROP|COMMENT ON) (PUBLICATION|SUBSCRIPTION|EVENT TRIGGER|TABLESPACE|ROLE|USER|GROUP)\b`)
	owner      = regexp.MustCompile(`(?is)^ALTER [^']* OWNER TO [^;]*;\s*$`)
	statistics = regexp.MustCompile(`(?i)^SELECT \* FROM pg_catalog\.pg_restore_(relation|attribute)_stats\(`) // all is analyzed in the end
	extComment = regexp.MustCompile(`(?is)^COMMENT ON EXTENSION\b`)
	anyCopy    = regexp.MustCompile(`(?i)^COPY\b`)
	copyFrom   = regexp.MustCompile(`(?is)^COPY (` + name + `)(\s*\((?:[^")]|` + quoted + `)*\))? FROM stdin;\s*$`)
	insertInto = regexp.MustCompile(`(?is)^INSERT INTO (` + name + `)[\s(]`)
	session    = regexp.MustCompile(`(?is)^(SET|SELECT pg_catalog\.set_config\()[^;]*\b(transaction_read_only|default_transaction_read_only|role|session_authorization)\b`)
)

// treat says what to do with a statement, and of rows into which table.
func treat(statement string) (treatment, string, error) {
	text := strings.TrimSpace(uncommented(statement))
	switch {
	case dropped.MatchString(text), owner.MatchString(text), extComment.MatchString(text), statistics.MatchString(text), session.MatchString(text):
		return drop, "", nil
	}
	if m := copyFrom.FindStringSubmatch(text); m != nil {
		return copyRows, m[1], nil
	}
	if anyCopy.MatchString(text) { // nobody would send its rows
		return drop, "", fmt.Errorf("it reads or writes a file of the server, runs a program, or is none that pg_dump writes, and nothing else is loaded: %.60s", text)
	}
	if m := insertInto.FindStringSubmatch(text); m != nil {
		return insertRow, m[1], nil
	}
	return keep, "", nil
}

// uncommented is a statement without the comments in front of it: within one they may be
// part of a name, or of a text.
func uncommented(statement string) string {
	for {
		statement = strings.TrimLeft(statement, " \t\r\n")
		if !strings.HasPrefix(statement, "--") {
			return statement
		}
		_, statement, _ = strings.Cut(statement, "\n")
	}
}
