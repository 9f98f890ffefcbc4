package catalog

import (
	"context"
	"errors"
	"strings"
)

// Fingerprint is a short text that changes when a committed change of the
// database's definitions could change a Snapshot: CREATE, ALTER or DROP of
// tables, columns, keys, constraints, triggers, functions, rules, views,
// policies, types, operators, casts, event triggers and schemas.
//
// It is a sum of hashes over row versions (xmin and ctid) of the catalogs, and
// over those values of pg_class that matter: VACUUM, ANALYZE, TRUNCATE, REFRESH
// and temporary tables leave it alone, but for those that inherit from others.
// VACUUM FULL of a catalog changes it for nothing. ALTER SEQUENCE … OWNED BY alone does not change it.
//
// It costs one round trip; on a schema of 10,000 tables and 190,000 columns the
// server took about 0.2 s for it (PostgreSQL 15), on 100 tables 3 ms.
func Fingerprint(ctx context.Context, q Querier) (string, error) {
	rows, err := q.Query(ctx, operators.Replace("SELECT "+fingerprintSQL))
	if err != nil {
		return "", err
	}
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return "", errors.New("catalog: the fingerprint query returned no value")
	}
	return *rows[0][0], nil
}

// fingerprintSQL is one expression of type text.
var fingerprintSQL = "pg_catalog.concat_ws('/',\n\t" + strings.Join([]string{
	sum(`pg_catalog.concat_ws(' ', r.oid, r.relname, r.relnamespace, r.relkind, r.relispartition, r.relrowsecurity)`,
		`pg_catalog.pg_class r WHERE r.oid >= 16384 AND r.relpersistence <> 't' AND r.relkind = ANY ('{r,p,f,v,m,S,c}'::pg_catalog."char"[])`),
	sum(version, `pg_catalog.pg_attribute r WHERE r.attrelid >= 16384 AND r.attnum >= 1 AND r.attrelid <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_index r WHERE r.indrelid >= 16384 AND r.indrelid <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_attrdef r WHERE r.adrelid <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_constraint r WHERE r.oid >= 16384 AND r.conrelid <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_trigger r WHERE r.oid >= 16384 AND r.tgrelid <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_rewrite r WHERE r.oid >= 16384 AND r.ev_class <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_inherits r WHERE r.inhparent <> ALL (`+temporary+`)`),
	sum(version, `pg_catalog.pg_policy r`),
	sum(version, `pg_catalog.pg_proc r WHERE r.oid >= 16384`),
	sum(version, `pg_catalog.pg_type r WHERE r.oid >= 16384 AND r.typtype <> 'c' AND r.typcategory <> 'A'`),
	sum(version, `pg_catalog.pg_namespace r WHERE r.oid >= 16384 AND NOT r.nspname ~ '^pg_'`),
	sum(version, `pg_catalog.pg_extension r`),
	sum(version, `pg_catalog.pg_event_trigger r`),
	sum(version, `pg_catalog.pg_operator r WHERE r.oid >= 16384`),
	sum(version, `pg_catalog.pg_cast r WHERE r.oid >= 16384`),
	sum(version, `pg_catalog.pg_amproc r WHERE r.oid >= 16384`),
	sum(version, `pg_catalog.pg_conversion r WHERE r.oid >= 16384`),
}, ",\n\t") + ")"

// version is one row version's identity: no two versions of a row share both.
const version = `r.xmin::pg_catalog.text || r.ctid::pg_catalog.text`

const temporary = `ARRAY(SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relpersistence = 't')`

func sum(of, from string) string {
	return "(SELECT COALESCE(pg_catalog.sum(pg_catalog.hashtextextended(" + of + ", 0)), 0) FROM " + from + ")"
}
