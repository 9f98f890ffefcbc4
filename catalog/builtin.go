package catalog

import "strings"

// textRunnerNames are the server's own functions that run a query given as
// text, or read a relation or cursor given by name. They run it read-only, so
// they delete only through a function or view that may.
//
// Large objects (lo_unlink, lo_truncate, …) are not rows of a table of record:
// their functions are not counted among those that delete.
const textRunnerNames = "query_to_xml,query_to_xmlschema,query_to_xml_and_xmlschema,cursor_to_xml,cursor_to_xmlschema," +
	"table_to_xml,table_to_xmlschema,table_to_xml_and_xmlschema,schema_to_xml,schema_to_xmlschema,schema_to_xml_and_xmlschema," +
	"database_to_xml,database_to_xmlschema,database_to_xml_and_xmlschema,ts_stat,ts_rewrite," +
	"brin_summarize_new_values,brin_summarize_range"

func textRunners() []string { return strings.Split(textRunnerNames, ",") }

// harmlessExtensions are those whose C functions neither delete rows nor run
// text given to them. Left out on purpose: tablefunc, xml2, pgrouting and
// address_standardizer (run the caller's query text), dblink (deletes through
// another connection), spi's refint (cascading deletes), pg_surgery (removes
// rows below SQL), and whatever partitions, expires or distributes tables.
// Functions of an extension that are written in SQL or PL/pgSQL are read like any others.
const harmlessExtensions = `
adminpack amcheck auth_delay autoinc auto_explain bloom bool_plperl btree_gin btree_gist citext cube dict_int dict_xsyn
earthdistance file_fdw fuzzystrmatch hstore hstore_plperl hstore_plpython3u insert_username intagg intarray isn jsonb_plperl
jsonb_plpython3u lo ltree ltree_plpython3u moddatetime old_snapshot pageinspect passwordcheck pg_buffercache pg_freespacemap
pg_logicalinspect pg_overexplain pg_prewarm pg_stat_statements pg_trgm pg_visibility pg_walinspect pgcrypto pgrowlocks
pgstattuple plpgsql postgres_fdw seg sslinfo tcn test_decoding tsm_system_rows tsm_system_time unaccent uuid-ossp
aws_commons h3 hll http hypopg ip4r mysql_fdw oracle_fdw pg_bigm pg_hashids pg_hint_plan pg_jsonschema pg_qualstats
pg_similarity pg_stat_kcache pg_stat_monitor pg_ulid pg_uuidv7 pg_wait_sampling pgaudit pgjwt pgvector
pointcloud postgis postgis_raster postgis_sfcgal postgis_topology prefix q3c rdkit roaringbitmap rum semver tdigest tds_fdw
timestamp9 topn unit vector vchord zhparser`

// isHarmlessExtension: see harmlessExtensions.
func isHarmlessExtension(name string) bool {
	for _, e := range strings.Fields(harmlessExtensions) {
		if e == name {
			return true
		}
	}
	return false
}
