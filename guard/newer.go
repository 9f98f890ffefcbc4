package guard

import (
	"context"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/rowback/rowback/journal"
)

// newcomers asks for the names of tables that lost rows and are newer than the
// catalog as it was read: by these they fall under a rule.
func (r *run) newcomers(ctx context.Context) error {
	var oids []string
	for o, after := range r.after.tables {
		if r.s.view.snap.Tables[o] == nil && after.deleted > r.before.tables[o].deleted {
			oids = append(oids, strconv.FormatUint(uint64(o), 10))
		}
	}
	if len(oids) == 0 {
		return nil
	}
	rows, err := lookup{w: r.w}.Query(ctx, "SELECT c.oid::pg_catalog.text, "+nameInHex("n.nspname")+", "+nameInHex("t.relname")+", t.oid::pg_catalog.text FROM pg_catalog.pg_class c"+
		" JOIN pg_catalog.pg_class t ON t.oid OPERATOR(pg_catalog.=) COALESCE(pg_catalog.pg_partition_root(c.oid)::pg_catalog.oid, c.oid) JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) t.relnamespace"+
		" WHERE c.oid OPERATOR(pg_catalog.=) ANY ('{"+strings.Join(oids, ",")+"}'::pg_catalog.oid[])")
	if err != nil {
		return err
	}
	r.newer = map[uint32]journal.Table{}
	for _, row := range rows {
		o, err := strconv.ParseUint(text(row[0]), 10, 32)
		if err != nil {
			return err
		}
		root, err := strconv.ParseUint(text(row[3]), 10, 32)
		if err != nil {
			return err
		}
		t := journal.Table{OID: uint32(root)}
		for i, name := range []*string{&t.Schema, &t.Name} {
			b, err := hex.DecodeString(text(row[1+i]))
			if err != nil {
				return err
			}
			*name = strings.ToValidUTF8(string(b), "\uFFFD")
		}
		r.newer[uint32(o)] = t
	}
	return nil
}

// hexName is what nameInHex makes of a name.
func hexName(name string) string { return hex.EncodeToString([]byte(name)) }

// nameInHex is a name whatever client_encoding is.
func nameInHex(column string) string {
	return "pg_catalog.encode(pg_catalog.convert_to(" + column + "::pg_catalog.text, CASE WHEN pg_catalog.getdatabaseencoding() OPERATOR(pg_catalog.=) 'SQL_ASCII' THEN 'SQL_ASCII' ELSE 'UTF8' END), 'hex')"
}
