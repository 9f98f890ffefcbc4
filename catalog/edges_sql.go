package catalog

// edgesSQL yields who uses which function, type or relation in a definition:
// [dependent, its oid, used, its oid, description, row type].
//
// dependent is one of: function · trigger · rule · read, write (a relation whose
// reading, or writing, evaluates it) · relation (a column's or partition key's
// type or function) · type (a domain) · ddl (event trigger) · everything (an
// operator, cast, index support function, …: any statement may come by it).
//
// Types are followed only while there are domains with constraints. What uses
// a language, foreign-data wrapper or access method handler does not count: the
// server calls it, and the functions of the language are judged themselves.
const edgesSQL = `
SELECT DISTINCT 'edge', pg_catalog.json_build_array(u.dependent, u.owner::pg_catalog.int8,
	CASE WHEN u.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'function'
		WHEN u.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass THEN 'type'
		ELSE 'relation' END,
	u.used::pg_catalog.int8,
	CASE WHEN u.dependent = 'everything' THEN pg_catalog.pg_describe_object(u.classid, u.objid, 0) END,
	u.reltype::pg_catalog.int8)::pg_catalog.text
FROM (SELECT d.classid, d.objid, d.refclassid, c.reltype,
	CASE WHEN d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND rt.typcategory = 'A' AND rt.typelem <> 0
		THEN rt.typelem ELSE d.refobjid END AS used,
	CASE WHEN d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass THEN 'function'
		WHEN d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass THEN 'trigger'
		WHEN d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass THEN 'rule'
		WHEN d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass THEN 'write'
		WHEN d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass THEN
			CASE WHEN o.polcmd = ANY ('{*,r}'::pg_catalog."char"[]) THEN 'read' ELSE 'write' END
		WHEN d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass THEN
			CASE WHEN k.conrelid <> 0 THEN 'write' ELSE 'type' END
		WHEN d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass THEN
			CASE WHEN i.indrelid IS NOT NULL THEN 'write' ELSE 'relation' END
		WHEN d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.typtype = 'd' THEN 'type'
		WHEN d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass THEN
			CASE WHEN v.evtenabled <> 'D' THEN 'ddl' END
		WHEN d.refclassid <> 'pg_catalog.pg_proc'::pg_catalog.regclass THEN NULL
		WHEN d.classid = ANY ('{pg_catalog.pg_language,pg_catalog.pg_foreign_data_wrapper,pg_catalog.pg_am,pg_catalog.pg_publication_rel,pg_catalog.pg_extension}'::pg_catalog.regclass[]) THEN NULL
		ELSE 'everything' END AS dependent,
	COALESCE(a.adrelid, o.polrelid, i.indrelid,
		CASE WHEN k.conrelid <> 0 THEN k.conrelid ELSE k.contypid END, d.objid) AS owner
	FROM pg_catalog.pg_depend d
	LEFT JOIN pg_catalog.pg_attrdef a ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND a.oid = d.objid
	LEFT JOIN pg_catalog.pg_policy o ON d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass AND o.oid = d.objid
	LEFT JOIN pg_catalog.pg_constraint k ON d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND k.oid = d.objid
	LEFT JOIN pg_catalog.pg_index i ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND i.indexrelid = d.objid
	LEFT JOIN pg_catalog.pg_class c ON d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND c.oid = d.objid
	LEFT JOIN pg_catalog.pg_type t ON d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND t.oid = d.objid
	LEFT JOIN pg_catalog.pg_event_trigger v ON d.classid = 'pg_catalog.pg_event_trigger'::pg_catalog.regclass AND v.oid = d.objid
	LEFT JOIN pg_catalog.pg_type rt ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND rt.oid = d.refobjid
	LEFT JOIN pg_catalog.pg_type re ON re.oid = rt.typelem
	WHERE d.refobjid >= 16384 AND d.deptype = ANY ('{n,a,i}'::pg_catalog."char"[])
	AND (d.refclassid = 'pg_catalog.pg_proc'::pg_catalog.regclass
		OR (d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
			AND d.classid = ANY ('{pg_catalog.pg_rewrite,pg_catalog.pg_policy}'::pg_catalog.regclass[]))
		OR (d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass
			AND d.deptype <> 'i'
			AND (rt.typtype = ANY ('{d,c}'::pg_catalog."char"[])
				OR (rt.typcategory = 'A' AND re.typtype = ANY ('{d,c}'::pg_catalog."char"[])))
			AND EXISTS (SELECT FROM pg_catalog.pg_constraint z WHERE z.contypid <> 0)))) u
WHERE u.dependent IS NOT NULL`

// builtinsSQL finds the same for the server's own functions that run a query
// given as text: pg_depend leaves out what is built in, the stored expression
// trees do not.
var builtinsSQL = `
SELECT 'edge', pg_catalog.json_build_array(u.dependent, u.owner::pg_catalog.int8, 'text', 0, NULL, NULL)::pg_catalog.text
FROM (SELECT 'rule' AS dependent, r.oid AS owner, pg_catalog.concat(r.ev_action, r.ev_qual) AS tree FROM pg_catalog.pg_rewrite r WHERE r.oid >= 16384
	UNION ALL SELECT 'trigger', r.oid, r.tgqual::pg_catalog.text FROM pg_catalog.pg_trigger r WHERE r.tgqual IS NOT NULL
	UNION ALL SELECT 'write', r.adrelid, r.adbin::pg_catalog.text FROM pg_catalog.pg_attrdef r
	UNION ALL SELECT 'write', r.indrelid, pg_catalog.concat(r.indexprs, r.indpred) FROM pg_catalog.pg_index r
		WHERE r.indexprs IS NOT NULL OR r.indpred IS NOT NULL
	UNION ALL SELECT CASE WHEN r.conrelid <> 0 THEN 'write' ELSE 'type' END,
		CASE WHEN r.conrelid <> 0 THEN r.conrelid ELSE r.contypid END, r.conbin::pg_catalog.text
		FROM pg_catalog.pg_constraint r WHERE r.conbin IS NOT NULL AND r.oid >= 16384
	UNION ALL SELECT CASE WHEN r.polcmd = ANY ('{*,r}'::pg_catalog."char"[]) THEN 'read' ELSE 'write' END,
		r.polrelid, pg_catalog.concat(r.polqual, r.polwithcheck) FROM pg_catalog.pg_policy r
	UNION ALL SELECT 'function', r.oid, r.proargdefaults::pg_catalog.text FROM pg_catalog.pg_proc r
		WHERE r.proargdefaults IS NOT NULL AND r.oid >= 16384) u
WHERE u.tree ~ (SELECT pg_catalog.concat(':funcid (', pg_catalog.string_agg(p.oid::pg_catalog.text, '|'), ') ')
	FROM pg_catalog.pg_proc p
	WHERE p.oid <> ALL (ARRAY(SELECT x.oid FROM pg_catalog.pg_proc x WHERE x.oid >= 16384))
	AND p.proname = ANY ('{` + textRunnerNames + `}'::pg_catalog.name[]))`
