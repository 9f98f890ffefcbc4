package protect

import (
	"embed"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// Version is what this rowback installs. It stands in rowback.version and in
// the arguments of every trigger.
//
// Version 2 records the links that a DELETE cuts; its tables are version 1's.
const Version = 2

// schema is where all of it is.
const schema = "rowback"

// newSecret is 244 random bits of the server's own; its text tells nothing.
const newSecret = "pg_catalog.replace(pg_catalog.concat(pg_catalog.gen_random_uuid(), pg_catalog.gen_random_uuid()), '-', '')"

// migrations[i] brings the tables of version i to version i+1.
var migrations = [][]string{{
	`CREATE SCHEMA rowback`,
	`COMMENT ON SCHEMA rowback IS 'rowback protect: the in-database guard and its evidence'`,
	`CREATE TABLE rowback.version (
	one boolean PRIMARY KEY DEFAULT true CHECK (one),
	version integer NOT NULL,
	installation text NOT NULL
)`,
	`INSERT INTO rowback.version (version, installation) VALUES (0, pg_catalog.gen_random_uuid()::pg_catalog.text)`,
	`CREATE TABLE rowback.secret (secret text NOT NULL)`,
	`INSERT INTO rowback.secret (secret) VALUES (` + newSecret + `)`,
	`CREATE TABLE rowback.evidence (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	xid xid8 NOT NULL,
	started timestamptz NOT NULL, -- the transaction's
	at timestamptz NOT NULL,
	run text, -- the server's, see catalog.RunSQL
	relid oid NOT NULL,
	schema_name text NOT NULL,
	table_name text NOT NULL,
	op text NOT NULL,
	via text NOT NULL,
	removed bigint NOT NULL, -- 0 where rows stayed and lost a link
	total bigint NOT NULL, -- of the transaction so far
	key_columns text, -- JSON; NULL if no keys were captured
	why text, -- why not
	refuse bigint, -- the limit that the transaction broke: it must not commit
	alerted bigint, -- the same where it may
	query text, -- with the first record of a client's statement
	username text NOT NULL,
	application text NOT NULL,
	client text NOT NULL,
	collected text[] NOT NULL DEFAULT '{}' -- the journals that have it
)`,
	`CREATE INDEX evidence_xid ON rowback.evidence (xid, id)`,
	`CREATE TABLE rowback.evidence_key (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	evidence bigint NOT NULL,
	keys text[] NOT NULL -- up to 1000 keys, each an array; of a link its old values follow
)`,
	`CREATE INDEX evidence_key_evidence ON rowback.evidence_key (evidence, id)`,
}, {}}

// netTrigger fires at COMMIT, for what nothing has judged before.
const netTrigger = `CREATE CONSTRAINT TRIGGER rowback_net AFTER INSERT ON rowback.evidence DEFERRABLE INITIALLY DEFERRED
FOR EACH ROW WHEN (NEW.refuse IS NOT NULL) EXECUTE FUNCTION rowback.guard_net()`

// tables of the schema, in the order in which they can be dropped.
var tables = []string{"evidence_key", "evidence", "secret", "version"}

// shared are the functions that do not depend on a table, callees first: one a
// file in sql. In all bodies what is not the server's is named rowback_… or
// guard_…: a name that a table or function of the user's bears too, one that
// may delete, would make the proxy take the triggers for code that may delete.
var shared = []string{
	"guard_ticket", "guard_enter", "guard_mark", "guard_depth", "guard_leave", "guard_note", "guard_link", "guard_text", "guard_over",
	"guard_refuse", "guard_verdict", "guard_begin", "guard_end", "guard_net", "guard_uncountable", "guard_drop",
}

//go:embed sql/*.sql
var files embed.FS

// createShared is the statement that creates or replaces a shared function.
func createShared(name string) string {
	text, err := files.ReadFile("sql/" + name + ".sql")
	if err != nil {
		panic(err) // not built in
	}
	return strings.ReplaceAll(strings.TrimSpace(string(text)), ":run,", catalog.RunSQL+",")
}

// bodyOf is the body within such a statement, as pg_proc.prosrc has it.
func bodyOf(create string) string {
	_, rest, _ := strings.Cut(create, "AS $")
	tag, rest, _ := strings.Cut(rest, "$")
	body, _, _ := strings.Cut(rest, "$"+tag+"$")
	return body
}
