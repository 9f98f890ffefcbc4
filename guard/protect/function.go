package protect

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// function is a trigger function written for tables of one shape (DELETE) or
// for one table (TRUNCATE, links). Its name is a digest of its body: what is there
// under the name is what would be written.
type function struct {
	name, body string
}

func newFunction(prefix, body string) function {
	digest := sha256.Sum256([]byte(body))
	return function{prefix + hex.EncodeToString(digest[:6]), body}
}

// sql creates the function. It is an entry point, fired by other roles: it pins
// what a session could turn against it.
func (f function) sql() string {
	tag := "$rowback$"
	for strings.Contains(f.body, tag) {
		tag = tag[:len(tag)-1] + "_$"
	}
	return "CREATE OR REPLACE FUNCTION rowback." + f.name + "() RETURNS trigger\n" +
		"LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET row_security = off SET plan_cache_mode = force_generic_plan AS " + tag + f.body + tag
}

// Prefixes of the names of such functions.
const (
	deletePrefix   = "guard_delete_"
	truncatePrefix = "guard_truncate_"
	linkPrefix     = "guard_link_"
)

// deleteFunction is for AFTER DELETE.
func deleteFunction(s shape) function {
	return newFunction(deletePrefix, `
DECLARE
	rowback_id bigint;
BEGIN
	IF rowback.guard_ticket() THEN
		RETURN NULL;
	END IF;
	rowback_id := rowback.guard_note(TG_RELID, TG_OP, (SELECT count(*) FROM rowback_old), TG_ARGV[1]::int8, TG_ARGV[2],
		`+s.note()+`);`+s.keep("rowback_old")+`
	PERFORM rowback.guard_verdict(TG_RELID, TG_OP);
	RETURN NULL;
END
`)
}

// truncateFunction is for BEFORE TRUNCATE. TRUNCATE fires the triggers of every
// table that it empties, so each counts its own rows; a partitioned table, which
// has none, those of the partitions that have no triggers.
func truncateFunction(t *catalog.Table, s shape) function {
	name, source, declare, uncovered := t.QuotedName(), "ONLY "+t.QuotedName(), "", ""
	count := "(SELECT count(*) FROM " + source + ")"
	if t.Kind == 'p' {
		declare = `
	rowback_bare oid[] := '{}';`
		uncovered = `
	-- A table above this one that is truncated too has counted them already.
	IF NOT EXISTS (SELECT FROM pg_partition_ancestors(TG_RELID) p WHERE p.relid <> TG_RELID AND rowback.guard_depth(p.relid) IS NOT NULL) THEN
		rowback_bare := ARRAY(
			SELECT p.relid FROM pg_partition_tree(TG_RELID) p
			WHERE p.isleaf AND NOT EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = p.relid AND g.tgname = '` + beforeTruncate + `' AND g.tgenabled IN ('O', 'A')));
	END IF;`
		source = "(SELECT * FROM " + name + " WHERE " + name + ".tableoid = ANY (rowback_bare))"
		count = "CASE WHEN cardinality(rowback_bare) = 0 THEN 0 ELSE (SELECT count(*) FROM " + name + " WHERE " + name + ".tableoid = ANY (rowback_bare)) END"
	}
	return newFunction(truncatePrefix, `
DECLARE
	rowback_id bigint;`+declare+`
BEGIN
	IF rowback.guard_ticket() THEN
		RETURN NULL;
	END IF;
	PERFORM rowback.guard_enter(TG_RELID, 1);
	IF to_regclass(`+literal(name)+`)::oid IS DISTINCT FROM TG_RELID THEN
		PERFORM rowback.guard_uncountable(TG_RELID, TG_ARGV[2]);
		RETURN NULL;
	END IF;`+uncovered+`
	rowback_id := rowback.guard_note(TG_RELID, TG_OP, `+count+`, TG_ARGV[1]::int8, TG_ARGV[2],
		`+s.note()+`);`+s.keep(source)+`
	RETURN NULL;
END
`)
}
