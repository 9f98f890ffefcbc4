package recovery

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/rowback/rowback/catalog"
)

// detail is what a restore must know of a table beyond the catalog snapshot.
type detail struct {
	columns     map[string]columnDetail
	arbiters    []arbiter
	checks      []check
	leaves      map[uint32]string // of a partitioned table: the condition that a partition takes a row, by its OID; nil if it is not
	insertRules bool              // rules rewrite INSERT
	updateRules string            // when rules that do something instead of an UPDATE are in force: of pg_rewrite.ev_enabled
	rowSecurity bool              // policies hide rows from this role
	sequences   []sequence
	equality    map[string]catalog.Comparison // of columns that are not compared as usual
}

type columnDetail struct {
	typeOID uint32
	kind    string // pg_type.typtype, "A" for arrays
	defs    string // DEFAULT expression, "" for none
	hasDef  bool
	collate string // COLLATE clause if it is not the type's own
	bare    string // the type without its modifier, domains resolved: casts to it cut nothing off
	enum    bool   // bare is an enum

	made  bool     // generated, by an expression that makes the same of a staged row
	reads []string // the columns that it is made of
}

// sequence feeds a column's default or identity.
type sequence struct {
	oid             int64
	name, column    string // name is quoted, schema.name
	increment       int64
	lowest, highest int64
}

// describe loads the details of the tables, once each.
func (s *side) describe(ctx context.Context, tables ...*catalog.Table) error {
	var oids []string
	for _, t := range tables {
		if s.detail[t.OID] == nil {
			s.detail[t.OID] = &detail{columns: map[string]columnDetail{}}
			oids = append(oids, strconv.FormatUint(uint64(t.OID), 10))
		}
	}
	if len(oids) == 0 {
		return nil
	}
	in := "(" + strings.Join(oids, ", ") + ")"
	for _, load := range []struct {
		sql  string
		into func(*detail, []string)
	}{
		{columnsSQL, (*detail).addColumn},
		{arbitersSQL, (*detail).addArbiter},
		{tableSQL, (*detail).addTable},
		{sequencesSQL, (*detail).addSequence},
		{checksSQL, (*detail).addCheck},
		{partitionsSQL, (*detail).addPartition},
		{equalitySQL, (*detail).addEquality},
	} {
		err := s.each(ctx, strings.ReplaceAll(load.sql, "$tables", in), func(row []*string) error {
			values := make([]string, len(row))
			for i, v := range row {
				if v != nil {
					values[i] = *v
				}
			}
			oid, err := strconv.ParseUint(values[0], 10, 32)
			if err != nil {
				return err
			}
			load.into(s.detail[uint32(oid)], values[1:])
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading the catalog: %w", err)
		}
	}
	return nil
}

const columnsSQL = `
	SELECT a.attrelid, a.attname, a.atttypid, CASE WHEN t.typcategory = 'A' THEN 'A' ELSE t.typtype::text END,
	       pg_get_expr(d.adbin, d.adrelid), (d.oid IS NOT NULL OR a.attidentity <> '' OR t.typdefault IS NOT NULL)::text,
	       CASE WHEN a.attcollation <> t.typcollation THEN (SELECT ' COLLATE ' || quote_ident(n.nspname) || '.' || quote_ident(c.collname)
	            FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = a.attcollation) END,
	       format_type(b.oid, -1), (b.typtype = 'e')::text, ` + madeSQL + `
	FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
	CROSS JOIN LATERAL (
		WITH RECURSIVE d AS (SELECT t.oid, t.typtype, t.typbasetype
			UNION ALL SELECT x.oid, x.typtype, x.typbasetype FROM d JOIN pg_type x ON x.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT oid, typtype FROM d WHERE typtype <> 'd') b
	LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE a.attrelid IN $tables AND a.attnum > 0 AND NOT a.attisdropped`

func (d *detail) addColumn(v []string) {
	oid, _ := strconv.ParseUint(v[1], 10, 32)
	d.columns[v[0]] = columnDetail{typeOID: uint32(oid), kind: v[2], defs: v[3], hasDef: v[4] == "true", collate: v[5], bare: v[6], enum: v[7] == "true",
		made: v[8] == "true", reads: strings.FieldsFunc(v[9], func(r rune) bool { return r == '\x1f' })}
}

const tableSQL = `
	SELECT c.oid, EXISTS (SELECT FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type IN ('2', '3') AND r.ev_enabled <> 'D')::text,
	       row_security_active(c.oid)::text,
	       (SELECT string_agg(DISTINCT r.ev_enabled::text, '') FROM pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '2' AND r.is_instead)
	FROM pg_class c WHERE c.oid IN $tables`

func (d *detail) addTable(v []string) {
	d.insertRules, d.rowSecurity, d.updateRules = v[0] == "true", v[1] == "true", v[2]
}

// Owned by the column (serial, identity), or merely used by its default. One that
// cycles comes round to every value, wherever it is.
const sequencesSQL = `
	SELECT DISTINCT a.attrelid, quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname,
	       s.seqincrement, s.seqmin, s.seqmax, c.oid::int8
	FROM (SELECT objid AS seq, refobjid AS rel, refobjsubid AS att FROM pg_depend
	      WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i') AND refobjsubid > 0
	      UNION
	      SELECT p.refobjid, d.adrelid, d.adnum FROM pg_depend p JOIN pg_attrdef d ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid
	      WHERE p.refclassid = 'pg_class'::regclass) x
	JOIN pg_sequence s ON s.seqrelid = x.seq JOIN pg_class c ON c.oid = x.seq JOIN pg_namespace n ON n.oid = c.relnamespace
	JOIN pg_attribute a ON a.attrelid = x.rel AND a.attnum = x.att
	CROSS JOIN LATERAL (
		WITH RECURSIVE d AS (SELECT t.oid, t.typtype, t.typbasetype FROM pg_type t WHERE t.oid = a.atttypid
			UNION ALL SELECT t.oid, t.typtype, t.typbasetype FROM d JOIN pg_type t ON t.oid = d.typbasetype WHERE d.typtype = 'd')
		SELECT oid FROM d WHERE typtype <> 'd') b
	WHERE x.rel IN $tables AND NOT s.seqcycle AND b.oid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
	ORDER BY 2, 3`

func (d *detail) addSequence(v []string) {
	n := func(s string) int64 { i, _ := strconv.ParseInt(s, 10, 64); return i }
	d.sequences = append(d.sequences, sequence{name: v[0], column: v[1], increment: n(v[2]), lowest: n(v[3]), highest: n(v[4]), oid: n(v[5])})
}
