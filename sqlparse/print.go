package sqlparse

import (
	"fmt"
	"strings"
)

// keyText is an expression for a value as text that PostgreSQL casts back to
// the same value, whatever the session's DateStyle, TimeZone, IntervalStyle,
// bytea_output, extra_float_digits, lc_monetary, search_path and
// standard_conforming_strings are. typ is the base type's name, see catalog.Column;
// of a base type that is not the server's own that much is taken on trust.
//
// Dates and times are ISO 8601, timestamptz in UTC; floats have all their
// digits; reg types are OIDs; money is numeric text.
func keyText(x, typ string) (string, error) {
	as := func(t string) string { return "(" + x + ")::pg_catalog." + t }
	switch typ {
	case "date", "timestamp":
		return isoText(as(typ)), nil
	case "timestamptz":
		return instantText(as(typ)), nil
	case "interval":
		return intervalText(as(typ)), nil
	case "float4":
		return floatText(as("float4"), "9.99999999EEEE"), nil
	case "float8":
		return floatText(as("float8"), "9.9999999999999999EEEE"), nil
	case "money":
		return as("numeric") + "::pg_catalog.text", nil
	case "bytea":
		return "pg_catalog.textcat(pg_catalog.textcat(pg_catalog.chr(92), 'x'), pg_catalog.encode(" + as("bytea") + ", 'hex'))", nil
	case "daterange":
		return rangeText(x, isoText), nil
	case "tsrange":
		return rangeText(x, isoText), nil
	case "tstzrange":
		return rangeText(x, instantText), nil
	case "datemultirange", "tsmultirange", "tstzmultirange", "record", "anyrange":
		return "", fmt.Errorf("%w: %s", ErrKeyType, typ)
	}
	if strings.HasSuffix(typ, ".cube") { // of floats, whose digits are the session's
		return "", fmt.Errorf("%w: %s", ErrKeyType, typ)
	}
	if strings.HasPrefix(typ, "reg") && regTypes[typ] {
		return as("oid") + "::pg_catalog.text", nil
	}
	if element, ok := strings.CutPrefix(typ, "_"); ok {
		if text, err := keyText("", element); err != nil || text != defaultText("") {
			return "", fmt.Errorf("%w: array of %s", ErrKeyType, element)
		}
	}
	return defaultText(x), nil
}

var regTypes = map[string]bool{
	"regclass": true, "regproc": true, "regprocedure": true, "regoper": true, "regoperator": true,
	"regtype": true, "regrole": true, "regnamespace": true, "regconfig": true, "regdictionary": true, "regcollation": true,
}

// printsAlike are types whose text format is their text, in any session.
var printsAlike = map[string]bool{"int2": true, "int4": true, "int8": true, "numeric": true, "uuid": true, "text": true, "varchar": true}

func defaultText(x string) string { return "(" + x + ")::pg_catalog.text" }

// isoText: JSON has dates and times in ISO 8601 always, infinities and BC too.
func isoText(x string) string {
	return "pg_catalog.btrim(pg_catalog.to_json(" + x + ")::pg_catalog.text, '\"')"
}

// instantText is a timestamptz in UTC; the offset stands before " BC".
func instantText(x string) string {
	j := isoText("pg_catalog.timezone('UTC', " + x + ")")
	return "CASE WHEN pg_catalog.isfinite(" + x + ") THEN pg_catalog.concat(pg_catalog.rtrim(" + j + ", ' BC'), '+00:00', " +
		"CASE WHEN pg_catalog.right(" + j + ", 2) OPERATOR(pg_catalog.=) 'BC' THEN ' BC' END) ELSE " + j + " END"
}

// intervalText is ISO 8601, whose fields have a sign each. The last branch is
// NULL, or an infinity (PostgreSQL 17).
func intervalText(x string) string {
	field := func(name string) string {
		return "pg_catalog.date_part('" + name + "', " + x + ")::pg_catalog.int8"
	}
	seconds := "pg_catalog.round(pg_catalog.numeric_div(" + field("microseconds") + "::pg_catalog.numeric, 1000000::pg_catalog.numeric), 6)"
	return "CASE WHEN pg_catalog.isfinite(" + x + ") THEN pg_catalog.concat('P', " + field("year") + ", 'Y', " + field("month") + ", 'M', " +
		field("day") + ", 'DT', " + field("hour") + ", 'H', " + field("minute") + ", 'M', " + seconds + ", 'S') ELSE " + x + "::pg_catalog.text END"
}

// floatText has as many digits as it takes to tell any two values apart.
func floatText(x, format string) string {
	return "CASE WHEN " + x + "::pg_catalog.float8 OPERATOR(pg_catalog.=) ANY ('{NaN,Infinity,-Infinity}'::pg_catalog.float8[]) THEN " +
		x + "::pg_catalog.text ELSE pg_catalog.btrim(pg_catalog.to_char(" + x + ", '" + format + "')) END"
}

// rangeText builds a range from the texts of its bounds.
func rangeText(x string, bound func(string) string) string {
	side := func(which string) string {
		return "CASE WHEN NOT pg_catalog." + which + "_inf(" + x + ") THEN pg_catalog.concat('\"', " + bound("pg_catalog."+which+"("+x+")") + ", '\"') END"
	}
	return "CASE WHEN pg_catalog.isempty(" + x + ") THEN 'empty' WHEN " + x + " IS NOT NULL THEN pg_catalog.concat(" +
		"CASE WHEN pg_catalog.lower_inc(" + x + ") THEN '[' ELSE '(' END, " + side("lower") + ", ',', " + side("upper") + ", " +
		"CASE WHEN pg_catalog.upper_inc(" + x + ") THEN ']' ELSE ')' END) END"
}
