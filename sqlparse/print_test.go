package sqlparse

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/pgtest"
)

// keyValues has values for each type that is printed in a special way, and
// some that are not.
var keyValues = map[string][]string{
	"int8":        {"1", "-9223372036854775808"},
	"text":        {"", `it's "quoted" \ and more`},
	"bpchar":      {"ab"},
	"bool":        {"t"},
	"numeric":     {"1.50", "NaN", "1e-20"},
	"uuid":        {"00000000-0000-0000-0000-000000000001"},
	"inet":        {"10.0.0.1", "10.0.0.0/8"},
	"date":        {"2024-02-03", "infinity", "-infinity", "0044-03-15 BC", "5874897-12-31"},
	"timestamp":   {"2024-02-03 04:05:06.000007", "infinity", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"},
	"timestamptz": {"2024-02-03 04:05:06.7+05:30", "-infinity", "0044-03-15 01:02:03+00 BC", "294276-12-31 23:59:59.999999+00"},
	"time":        {"04:05:06.7", "24:00"},
	"timetz":      {"04:05:06.7+05:30"},
	"interval":    {"1 year 2 mons 3 days 04:05:06.789", "-1 year +2 days -00:00:01.5", "00:00:00", "-178000000 years"},
	"float4":      {"0.1", "-1.17549435e-38", "3.4028235e38", "NaN", "-Infinity"},
	"float8":      {"0.1", "0.30000000000000004", "4.9406564584124654e-324", "1.7976931348623157e308", "NaN", "Infinity"},
	"money":       {"-1234.56"},
	"bytea":       {`\x`, `\x005cff27`},
	"regclass":    {"pg_catalog.pg_class"},
	"daterange":   {"[2024-01-01,2024-02-01)", "empty", "(,2024-01-01)", "[-infinity,infinity)"},
	"tsrange":     {"(2024-01-01 00:00:01,]"},
	"tstzrange":   {"[0001-01-01 00:00:00+00 BC,2024-01-01 00:00:00+05]"},
	"int4range":   {"[1,5)"},
	"_int4":       {"{1,NULL,3}"},
	"jsonb":       {`{"a": [1, "x"]}`},
	"bit":         {"1"},
}

// settings that change how values print, or how the expressions could be read.
var keySessions = []string{
	"RESET ALL",
	"SET DateStyle = 'German, DMY'; SET TimeZone = 'Asia/Kathmandu'; SET IntervalStyle = sql_standard; SET bytea_output = escape; SET extra_float_digits = -15; SET standard_conforming_strings = off; SET search_path = evil, pg_catalog",
	"SET DateStyle = 'SQL, MDY'; SET TimeZone = 'America/St_Johns'; SET IntervalStyle = postgres_verbose; SET extra_float_digits = 0; SET escape_string_warning = on; SET search_path = ''",
	"SET DateStyle = 'Postgres, YMD'; SET TimeZone = 'Australia/Lord_Howe'; SET IntervalStyle = iso_8601; SET search_path = evil, pg_catalog",
}

// evil is a schema whose operators and functions would give other results.
const evil = `CREATE SCHEMA evil;
CREATE FUNCTION evil.no(int4, int4) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.no(int8, int8) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.no(text, text) RETURNS bool LANGUAGE sql AS 'SELECT false';
CREATE FUNCTION evil.concat(text, text) RETURNS text LANGUAGE sql AS 'SELECT ''evil''::text';
CREATE OPERATOR evil.= (LEFTARG = int4, RIGHTARG = int4, FUNCTION = evil.no);
CREATE OPERATOR evil.= (LEFTARG = int8, RIGHTARG = int8, FUNCTION = evil.no);
CREATE OPERATOR evil.= (LEFTARG = text, RIGHTARG = text, FUNCTION = evil.no)`

// TestKeyText: the text is the same in every session, and casts back to the
// same value in every session; NULL stays NULL.
func TestKeyText(t *testing.T) {
	ctx := context.Background()
	url := pgtest.Shared(t).URL(pgtest.Database(t, evil))
	one := func(conn *pgx.Conn, sql string) (string, bool) {
		t.Helper()
		r, err := conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			t.Errorf("%s: %v", sql, err)
			return "", false
		}
		v := r[0].Rows[0][0]
		return string(v), v == nil
	}
	var sessions []*pgx.Conn
	for _, set := range keySessions {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close(ctx)
		if _, err := conn.PgConn().Exec(ctx, set).ReadAll(); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, conn)
	}
	for typ, values := range keyValues {
		expr, err := keyText("v", typ)
		if err != nil {
			t.Fatal(typ, err)
		}
		for _, value := range append(values, "NULL") {
			literal := `E'` + strings.NewReplacer(`'`, `\'`, `\`, `\\`).Replace(value) + `'`
			if value == "NULL" {
				literal = value
			}
			pgType := `pg_catalog."` + typ + `"`
			first, null := one(sessions[0], "SELECT "+expr+" FROM (SELECT "+literal+"::"+pgType+") s(v)")
			if null != (value == "NULL") {
				t.Errorf("%s %s: null is %v", typ, value, null)
			}
			// The values, as the server stores them, made by the session that reads ISO.
			stored, _ := one(sessions[0], "SELECT encode("+sendFunction(typ)+"("+literal+"::"+pgType+"), 'hex')")
			for i, conn := range sessions[1:] {
				if value == "NULL" {
					continue
				}
				back := `E'` + strings.NewReplacer(`'`, `\'`, `\`, `\\`).Replace(first) + `'::` + pgType
				if typ == "money" {
					back = `(E'` + first + `'::pg_catalog.numeric)::pg_catalog.money`
				}
				if typ == "regclass" {
					back = `E'` + first + `'::pg_catalog.oid::pg_catalog.regclass`
				}
				if got, _ := one(conn, "SELECT pg_catalog.encode("+sendFunction(typ)+"("+back+"), 'hex')"); got != stored {
					t.Errorf("%s %s: %q is another value in session %d", typ, value, first, i+1)
				}
				if got, _ := one(conn, "SELECT "+expr+" FROM (SELECT "+back+") s(v)"); got != first {
					t.Errorf("%s %s: %q in session %d, %q in the first", typ, value, got, i+1, first)
				}
			}
		}
	}
}

// sendFunction makes a value's binary form.
func sendFunction(typ string) string {
	switch {
	case strings.HasPrefix(typ, "_"):
		return "pg_catalog.array_send"
	case strings.HasSuffix(typ, "range"):
		return "pg_catalog.range_send"
	}
	names := map[string]string{"timestamp": "timestamp_send", "timestamptz": "timestamptz_send", "date": "date_send", "time": "time_send",
		"timetz": "timetz_send", "interval": "interval_send", "money": "cash_send", "inet": "inet_send", "uuid": "uuid_send",
		"numeric": "numeric_send", "jsonb": "jsonb_send", "bit": "bit_send"}
	if n, ok := names[typ]; ok {
		return "pg_catalog." + n
	}
	return "pg_catalog." + typ + "send"
}

func TestKeyText_RefusesWhatDependsOnTheSession(t *testing.T) {
	for _, typ := range []string{"_timestamptz", "_float8", "_bytea", "_daterange", "tstzmultirange", "record", "__money"} {
		if text, err := keyText("v", typ); err == nil {
			t.Errorf("%s: %s", typ, text)
		}
	}
}
