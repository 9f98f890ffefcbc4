package catalog

import (
	"strings"
	"unicode"
)

// Reach says which names, when they appear in a statement that is otherwise
// plain, mean that the statement may delete rows. All names are unqualified and
// folded (see Fold): whatever the schema or overload, the name counts.
type Reach struct {
	// Names: functions, procedures, aggregates, domains, views and tables that
	// may delete when called, read or written. What cannot be analysed is in
	// here too. A table whose only unsafe triggers fire on DELETE is not: a
	// DELETE is judged anyway, with Touched.
	Names map[string]Why
	// Reads is the part of Names that may delete also when the statement only
	// calls or reads it. The other names need an INSERT, UPDATE, MERGE or COPY FROM.
	Reads map[string]Why
	// Moves are names of Names, but not of Reads, by which an INSERT or COPY FROM deletes
	// nothing: an UPDATE may, that moves rows to another partition.
	Moves map[string]bool
	// Unseen is the part of Names that may remove rows which the server does not
	// count: those of a foreign table (the removal and the table are both in the
	// text), and any where track_counts is set.
	Unseen map[string]Why
	// Commits: procedures that may end the transaction themselves.
	Commits map[string]Why
	// Renames: functions and procedures that may change what names mean in the session
	// (search_path, the role), views that call them, and tables whose triggers do.
	Renames map[string]Why
	// RenamesReads is the part of Renames that may also when the statement only calls or reads it.
	RenamesReads map[string]Why
	// RenamesRemovals: tables and views, a DELETE from which may (by triggers and the like of
	// what it cascades to, too).
	RenamesRemovals map[string]Why
	// Deferred is not empty when a deferrable trigger may delete, at COMMIT or at
	// SET CONSTRAINTS: why.
	Deferred Why
	// DDL is not empty when any DDL command may delete (an event trigger): why. REINDEX,
	// which does nothing else that DDL does, is among Names then.
	DDL Why
	// Types: making a value of some type, a domain or what holds one, may delete. The server
	// does that when it parses a constant of a composite type.
	Types bool
	// Everything is not empty when any statement at all may delete (an operator,
	// cast or index support function of this database may): why.
	Everything string
}

// Why says why a name is in Reach, for people ("function app.purge: DELETE", "language plpython3u").
type Why string

// Fold is the form of the names in Reach: lower case, but that what is not ASCII stays so.
func Fold(name string) string {
	return strings.Map(func(r rune) rune {
		if low := unicode.ToLower(r); r < 0x80 || low >= 0x80 {
			return low
		}
		return r // İ, and the Kelvin sign
	}, name)
}
