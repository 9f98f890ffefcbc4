package sqlparse

// Verb says what a statement means to the guard.
type Verb int

const (
	Plain  Verb = iota // removes nothing by itself, controls no transaction; may still call functions or fire triggers
	Delete             // a top-level DELETE that Capture can rewrite
	Truncate
	Drop    // DROP TABLE / SCHEMA / OWNED / DATABASE, DETACH PARTITION: Targets for TABLE and DETACH, else Uncountable
	Merge   // MERGE with a DELETE action
	Nested  // DELETE or MERGE…DELETE inside another statement (data-modifying WITH, EXPLAIN ANALYZE, COPY (…) TO, …), or a DELETE with a data-modifying WITH
	Execute // SQL-level EXECUTE: what it runs is not in the text
	Call    // CALL
	Do      // DO block
	Unknown // does not parse; DDL and ChangesNames are set too

	Begin // BEGIN, START TRANSACTION
	Commit
	Rollback
	Savepoint
	Release
	RollbackTo
	PrepareTransaction
	CommitPrepared
	RollbackPrepared
)

// Name is a possibly schema-qualified relation name as PostgreSQL folds it
// (unquoted names lower-cased, quotes removed).
type Name struct{ Schema, Name string }

// Statement is one statement of a query text.
type Statement struct {
	Verb   Verb
	Text   string // the statement alone, without the separating semicolon; leading comments kept
	Offset int    // byte offset of Text in the whole query text

	Target Name // Delete, Merge: the table
	Only   bool // Delete: DELETE FROM ONLY; DropsColumn: ALTER TABLE ONLY
	// Where: Delete, and Nested of each DELETE: it has a condition that reads a column, or WHERE CURRENT OF.
	// "WHERE true", "WHERE 1 = 1" and "WHERE id = 5 OR 1 = 1" are none.
	Where bool
	// Reads: Delete: the condition surely reads a column of the table itself.
	Reads bool
	// Fixed: Delete without USING: the columns that each row removed has one value in,
	// which the text names or a parameter gives.
	Fixed   []string
	Targets []Name // Truncate, Drop, DropsColumn: the tables named; Nested: those that its DELETEs and MERGEs are aimed at
	// TargetsOnly: Targets[i] was named with ONLY (Truncate, DropsColumn), so its children stay.
	TargetsOnly []bool
	Cascade     bool // Truncate, Drop: CASCADE
	// Uncountable: removes rows that cannot be counted beforehand
	// (DROP SCHEMA/OWNED/DATABASE/EXTENSION, DROP TYPE … CASCADE, …); the text
	// names what, for people.
	Uncountable string

	// Schemas and Owners: DROP SCHEMA … CASCADE, DROP OWNED: whose tables go. An
	// owner is an SQL expression of a role's name. Uncountable is set as well.
	Schemas, Owners []string

	// OutsideTransaction: the server runs it in a transaction of its own only, so
	// it cannot be judged between execution and commit (DROP DATABASE).
	OutsideTransaction bool
	// Database is the one that DROP DATABASE names, "" for what does not.
	Database string

	// Update is set for a top-level UPDATE that contains no removal (Plain).
	Update *Update
	// UpdatesInside: an UPDATE, INSERT … ON CONFLICT DO UPDATE or MERGE with an
	// UPDATE action stands anywhere in it (whatever the Verb) and is run by it:
	// not by PREPARE, DECLARE, or EXPLAIN without ANALYZE.
	UpdatesInside bool
	// DropsColumn: ALTER TABLE … DROP COLUMN, perhaps among other actions, or
	// ALTER TYPE … DROP ATTRIBUTE. Verb is Plain, DDL is set.
	DropsColumn bool
	Detach      bool // DETACH PARTITION (Verb Drop; Targets has the partition)

	// Savepoint, Release, RollbackTo: its name. As GID, in a text that is no UTF-8 it has a
	// 0x7f for each byte that is not ASCII.
	Savepoint string
	Chain     bool   // Commit, Rollback: AND CHAIN
	GID       string // PrepareTransaction, CommitPrepared, RollbackPrepared

	Returning bool // Delete: has a RETURNING list
	Joins     bool // Delete, Update: has a USING or FROM clause
	CopyIn    bool // COPY … FROM STDIN
	Cursor    bool // DECLARE CURSOR: its query runs at FETCH, or at COMMIT if WITH HOLD
	Block     bool // it needs a transaction block: LOCK, DECLARE
	DDL       bool // may change the catalog
	// Shapes: DDL of tables, indexes, sequences and the like alone. What may delete after it
	// may have before, or its text names it.
	Shapes    bool
	Temporary bool // DDL that makes what no other session sees
	Events    bool // may fire event triggers, as DDL does: COMMENT, GRANT and the like
	Params    bool // has $1 or the like
	// Streams: a SELECT whose rows are sent while it runs. Others that return
	// rows run to their end before the first is sent, as one does that changes some in its WITH.
	Streams bool
	// ChangesNames: may change how names resolve (SET search_path or ROLE, RESET,
	// DISCARD, set_config, any DDL).
	ChangesNames bool
	// Prepares: PREPARE, or a DO block that may. What it prepares can be bound by
	// protocol too.
	Prepares bool
	// SetsConstraints: SET CONSTRAINTS, which fires deferred triggers.
	SetsConstraints bool
	// CommitsItself: DO or CALL text that may commit (Do: its body contains COMMIT or ROLLBACK; Call: always true).
	CommitsItself bool

	qualifier []string // Delete, Update: how the target's columns are qualified, quoted; see Capture
}
