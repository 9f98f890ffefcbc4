package recovery

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// everyType lists types with values that a careless hand would change.
var everyType = map[string][]string{
	"smallint": {"-32768", "32767"}, "integer": {"-2147483648"}, "bigint": {"-9223372036854775808", "9223372036854775807"},
	"numeric": {"'NaN'", "'Infinity'", "'-Infinity'", "1.000", "-0.00", "1e-130", "12345678901234567890.12345678901234567890", "('1' || repeat('0', 1000))"}, "numeric(10,-2)": {"12300"},
	"real": {"'NaN'", "'-0'", "'-Infinity'", "1e-45", "0.1", "3.4028235e38"}, "double precision": {"'NaN'", "'-0'", "'Infinity'", "5e-324", "0.1", "1.7976931348623157e308"},
	"money": {"'-92233720368547758.08'", "'0.01'"}, "boolean": {"true", "false"}, "\"char\"": {"'x'", "''"}, "name": {"'n'"},
	"text": {"''", "' '", "'NULL'", `E'\\N'`, `E'\t\n\r\\ "{},'`, "'日本🙂'", "repeat('long ', 300000)"}, "char(5)": {"'a'", "''"}, "varchar(3)": {"'a  '"},
	"bytea": {"''", `'\x00ff5c275c0a'`, "decode(repeat('00ff', 100000), 'hex')"}, "bit(4)": {"B'1010'"}, "varbit": {"B''", "B'101'"}, "uuid": {"'00000000-0000-0000-0000-000000000000'"},
	"date": {"'infinity'", "'-infinity'", "'4713-01-01 BC'", "'5874897-12-31'"}, "time": {"'24:00:00'", "'23:59:59.999999'"}, "timetz": {"'12:00:00.5+15:59:59'", "'24:00:00-15:59'"},
	"timestamp": {"'infinity'", "'4713-01-01 00:00:00.000001 BC'", "'294276-12-31 23:59:59.999999'"}, "timestamptz": {"'-infinity'", "'2024-03-31 02:30:00.000001 Europe/Berlin'"},
	"interval": {"'1 mon -2 days 3.000001 s'", "'-178000000 years'", "('1 mon'::interval - '30 days'::interval)", "'24:00:00'"},
	"json":     {`'{"b" : 1.00,  "b":2, "a": "\u00e9"}'`, "'null'", "' [ ] '"}, "jsonb": {`'{"b": 1.00, "a": "\u00e9", "n": 1e400}'`, "'null'"}, "jsonpath": {"'$.a[*] ? (@ > 1)'"},
	"xml": {"'<a b=\"1\">&#233;<!-- c --></a>'", "'text'"}, "point": {"'(-0,NaN)'", "'(1e-300,Infinity)'"}, "line": {"'{1,-0.1,2}'"}, "lseg": {"'[(0.1,0),(1,1)]'"}, "box": {"'(1,1),(0,-0)'"},
	"path": {"'[(0,0),(0.1,1)]'", "'((0,0),(1,1))'"}, "polygon": {"'((0,0),(1,0.1),(1,0))'"}, "circle": {"'<(0.1,0),1e-10>'"},
	"inet": {"'10.0.0.1/8'", "'::1'", "'::ffff:1.2.3.4/96'"}, "cidr": {"'10.0.0.0/8'"}, "macaddr": {"'08:00:2b:01:02:03'"}, "macaddr8": {"'08:00:2b:01:02:03:04:05'"},
	"tsvector": {"'a:1B b:2,3A ''c d'''", "''"}, "tsquery": {"'a & (b | !c:*AB) <2> d'"}, "pg_lsn": {"'FFFFFFFF/FFFFFFFF'"}, "txid_snapshot": {"'10:20:10,14'"}, "pg_snapshot": {"'10:20:10,14'"},
	"xid8": {"'18446744073709551615'"}, "xid": {"'4294967295'"}, "cid": {"'1'"}, "tid": {"'(4294967295,65535)'"}, "regclass": {"'pg_class'"}, "regtype": {"'int4'"}, "regproc": {"'now'"}, "regrole": {"'pg_monitor'"}, "oidvector": {"'1 2'"}, "int2vector": {"'1 2'"},
	"aclitem[]": {"'{postgres=arwdDxt/postgres}'"}, "refcursor": {"'c'"},
	"int4range": {"'[1,5)'", "'empty'", "'(,)'", "'[1,)'"}, "numrange": {"'(1.0,2.00]'"}, "tstzrange": {"'[-infinity,infinity]'"}, "daterange": {"'(,2020-01-01)'"}, "int8multirange": {"'{[1,2),[5,)}'", "'{}'"}, "nummultirange": {"'{[1.0,2.00),(3,)}'"},
	"int[]": {"'{}'", "'[2:3][0:1]={{1,NULL},{3,4}}'", "'[-5:-5]={7}'"}, "text[]": {`'{NULL,"NULL","","a,b","\"\\"}'`, "'{{a,b},{c,d}}'"}, "numeric[]": {"'{NaN,1.00}'"}, "float8[]": {"'{-0,NaN}'"}, "bytea[]": {`ARRAY['\x00'::bytea, NULL]`}, "timestamptz[]": {"'{infinity,NULL}'"}, "jsonb[]": {"ARRAY['{\"a\": 1.0}'::jsonb]"}, "int4range[]": {"'{empty,\"[1,3)\"}'"},
	// Made by people.
	"mood": {"'o''k'"}, "mood[]": {"'{sad,NULL}'"}, "pos": {"1"}, "pos[]": {"'{1,2}'"}, "pair": {`'(,"x,""y\\")'`, "NULL::pair", "'(,)'"}, "pair[]": {`ARRAY['(1,)'::pair, NULL]`}, "nested": {"ROW('(1,a)'::pair, '{sad}'::mood[], 1)"}, "mine": {"'[1.0,2.00)'"}, "boxed": {"'(7,seven)'"},
	"ext.citext": {"'ÄbC'"}, "ext.hstore": {`'"a b"=>NULL, "c"=>"\"q\\"'`, "''"}, "ext.ltree": {"'a.b.c'", "''"}, "ext.lquery": {"'*.b{1,2}.c@|d'"}, "ext.cube": {"'(0.1,2),(3,4)'"}, "ext.isbn": {"'978-0-393-04002-9'"}, "ext.seg": {"'1.50 .. 2'"}, "ext.citext[]": {"'{A,a}'"},
}

// typeSince has the PostgreSQL that a type came with, where 13 has not got it.
var typeSince = map[string]int{"int8multirange": 14, "nummultirange": 14, "numeric(10,-2)": 15}

// knownTypes are those of everyType that both servers have.
func knownTypes(t *testing.T) map[string][]string {
	oldest := min(pgtest.Shared(t).Version(), pgtest.Recovery(t).Version())
	known := maps.Clone(everyType)
	for kind, since := range typeSince {
		if oldest < since {
			t.Logf("not run on PostgreSQL %d: %s came with %d", oldest, kind, since)
			delete(known, kind)
		}
	}
	if oldest < 14 {
		known["numeric"] = slices.DeleteFunc(slices.Clone(known["numeric"]), func(v string) bool { return strings.Contains(v, "Infinity") })
	}
	return known
}

const typeSchema = `CREATE SCHEMA ext; CREATE EXTENSION citext SCHEMA ext; CREATE EXTENSION hstore SCHEMA ext; CREATE EXTENSION ltree SCHEMA ext; CREATE EXTENSION cube SCHEMA ext; CREATE EXTENSION isn SCHEMA ext; CREATE EXTENSION seg SCHEMA ext;
	CREATE TYPE mood AS ENUM ('sad', 'o''k'); CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE TYPE pair AS (a int, b text); CREATE TYPE nested AS (p pair, m mood[], d pos); CREATE TYPE mine AS RANGE (subtype = numeric); CREATE DOMAIN boxed AS pair CHECK ((VALUE).a > 0)`

// Rows travel in binary form where that means the same in both databases, else
// as text: a column of an enum makes the whole row text.
func TestTypes_EveryOneBitForBit(t *testing.T) {
	sql := []string{typeSchema}
	n := 0
	for kind, values := range knownTypes(t) {
		n++
		for _, extra := range []string{"", ", e mood DEFAULT 'sad'"} {
			table := fmt.Sprintf("v%d%s", n, map[bool]string{true: "t", false: ""}[extra != ""])
			sql = append(sql, fmt.Sprintf("CREATE TABLE %s (id int PRIMARY KEY, v %s%s); INSERT INTO %[1]s VALUES (0, NULL)", table, kind, extra))
			for i, v := range values {
				sql = append(sql, fmt.Sprintf("INSERT INTO %s VALUES (%d, (%s)::%s)", table, i+1, v, kind))
			}
		}
	}
	l := newLab(t, sql...).backup()
	role := l.role(append(allGrants, "GRANT USAGE ON SCHEMA ext TO ROLE")...)
	before, bits := l.state(l.production), l.bits()
	for _, who := range []string{"superuser", "ordinary role"} {
		var empty []string
		for table := range before {
			empty = append(empty, "DELETE FROM "+table)
		}
		o := l.options(l.incident(empty...))
		if who != "superuser" {
			o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
		}
		report := l.restore(o)
		l.is(l.state(l.production), before)
		now := l.bits()
		for table, sum := range bits {
			if now[table] != sum {
				t.Errorf("%s: %s is not bit for bit as it was", who, table)
			}
		}
		if len(bits) < 150 || !report.Complete() {
			t.Errorf("%s: %d tables, %v", who, len(bits), report.Warnings)
		}
		// All of it is found to be there, by the same comparison.
		if again := l.restore(l.options(report.IDs...)); again.Restored != 0 || !again.Complete() {
			t.Errorf("%s again: %+v", who, again)
		}
	}
}

// bits are checksums of the tables' rows in binary form, where their types have one.
func (l *lab) bits() map[string]string {
	l.t.Helper()
	out := map[string]string{}
	s := l.side(l.production)
	defer s.conn.Close(context.Background())
	for _, t := range userTables(s) {
		form := "record_send(t)"
		if t.Columns[1].Textual {
			form = "convert_to(t::text, 'UTF8')"
		}
		rows, err := s.rows(context.Background(), fmt.Sprintf("SELECT md5(string_agg(encode(%s, 'hex'), ',' ORDER BY id)) FROM %s t", form, t.QuotedName()))
		if err != nil {
			l.t.Fatalf("%s %s: %v", display(t), t.Columns[1].Type, err)
		}
		out[display(t)] = *rows[0][0]
	}
	return out
}

// A type's own equality decides which row a key means, also where its operators
// are not in the search path.
func TestTypes_KeysOfExtensionTypes(t *testing.T) {
	l := newLab(t, typeSchema, `CREATE TABLE p (k ext.citext PRIMARY KEY, v int); CREATE TABLE c (id ext.ltree PRIMARY KEY, k ext.citext REFERENCES p ON DELETE CASCADE); INSERT INTO p VALUES ('Aa', 1), ('Bb', 2), ('Cc', 3); INSERT INTO c VALUES ('a.b', 'aA'), ('c', 'bb')`).backup()
	role := l.role(append(allGrants, "GRANT USAGE ON SCHEMA ext TO ROLE")...)
	id := l.incident("DELETE FROM p")
	l.exec("INSERT INTO p VALUES ('cc', 9)")
	o := l.options(id)
	o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
	report := l.restore(o)
	if p, c := l.count(report, "p"), l.count(report, "c"); p.Restored != 2 || p.Different != 1 || c.Restored != 2 {
		t.Errorf("%+v %+v", p, c)
	}
}

// What an xml value prints leaves its declaration out, in part or as a whole.
func TestTypes_DeclarationsOfXML(t *testing.T) {
	const declared = `'<?xml version="1.0" encoding="LATIN1" standalone="yes"?>' || chr(10) || '<a b="\">é</a>'`
	for _, extra := range []string{"", ", e mood DEFAULT 'a'"} { // in binary form, or as text
		l := newLab(t, fmt.Sprintf(`CREATE TYPE mood AS ENUM ('a'); CREATE DOMAIN doc AS xml; CREATE TABLE x (id int PRIMARY KEY, v xml, many xml[], d doc%s);
			INSERT INTO x SELECT i, v::xml, ARRAY[v::xml, NULL], v::xml::doc FROM (VALUES (1, %s), (2, '<?xml version="1.0"?><a/>'), (3, NULL)) x(i, v)`, extra, declared)).backup()
		written := func() string {
			return fmt.Sprint(l.ask(l.connect(), "SELECT id, v::text, many::text[]::text, d::text FROM x ORDER BY id"))
		}
		was := written()
		report := l.restore(l.options(l.incident("DELETE FROM x")))
		if now := written(); now != was || report.Restored != 3 {
			t.Errorf("%s, want %s; %+v", now, was, report)
		}
		if again := l.restore(l.options(report.IDs...)); l.count(again, "x").AlreadyPresent != 3 {
			t.Errorf("again: %+v", again)
		}
	}
}

func TestLargeObjects_ComeBackWithTheirRows(t *testing.T) {
	l := newLab(t, `CREATE EXTENSION lo; CREATE TABLE p (id int PRIMARY KEY, picture lo, other oid);
		INSERT INTO p SELECT i, lo_from_bytea(0, convert_to(repeat('piece ' || i, 40000 * i), 'UTF8')) FROM generate_series(1, 3) i; INSERT INTO p VALUES (4, lo_from_bytea(0, ''), 12345), (5, NULL, 0), (6, lo_from_bytea(0, 'stays'), NULL);
		CREATE TRIGGER manage BEFORE UPDATE OR DELETE ON p FOR EACH ROW EXECUTE FUNCTION lo_manage(picture)`).backup()
	contents := func() (out string) {
		rows, err := l.side(l.production).rows(context.Background(), "SELECT coalesce(string_agg(id || ' ' || md5(lo_get(picture)), ', ' ORDER BY id), '') FROM p WHERE EXISTS (SELECT FROM pg_largeobject_metadata m WHERE m.oid = picture)")
		if err != nil {
			t.Fatal(err)
		}
		return *rows[0][0]
	}
	was, before := contents(), l.state(l.production)
	role := l.role(allGrants...)
	l.on(l.recovery, "DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO "+role+"', o); END LOOP; END $$")
	for _, who := range []string{"superuser", "ordinary role"} {
		o := l.options(l.incident("DELETE FROM p WHERE id < 6"))
		if contents() == was {
			t.Fatal("the large objects did not go")
		}
		if who != "superuser" {
			o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
		}
		report := l.restore(o)
		l.is(l.state(l.production), before)
		if now := contents(); now != was && who == "superuser" || !strings.Contains(strings.Join(report.Warnings, "\n"), "4 large objects came back") {
			t.Errorf("%s: %s, want %s; %v", who, now, was, report.Warnings)
		}
	}
	if now := contents(); now != was {
		t.Errorf("%s, want %s", now, was)
	}
}

// The number of a row's large object is another's by now: that is said.
func TestLargeObjects_OfTheSameNumber(t *testing.T) {
	l := newLab(t, `CREATE TABLE d (id int PRIMARY KEY, doc oid); SELECT lo_from_bytea(777001, 'the contract'), lo_from_bytea(777002, 'as it was'); INSERT INTO d VALUES (1, 777001), (2, 777002), (3, 777003)`).backup()
	id := l.incident("DELETE FROM d", "SELECT lo_unlink(777001)")
	l.exec("SELECT lo_from_bytea(777001, 'another')")
	report := l.restore(l.options(id))
	if said := strings.Join(report.Warnings, "\n"); !strings.Contains(said, "1 large object that rows name (777001): other bytes") {
		t.Error(said)
	}
}

// A large object that several rows name comes back once.
func TestLargeObjects_NamedTwice(t *testing.T) {
	l := newLab(t, "CREATE TABLE d (id int PRIMARY KEY, doc oid); SELECT lo_from_bytea(777011, 'shared'); INSERT INTO d VALUES (1, 777011), (2, 777011)").backup()
	id := l.incident("DELETE FROM d", "SELECT lo_unlink(777011)")
	if report := l.restore(l.options(id)); report.Restored != 2 {
		t.Errorf("%+v", report)
	}
	if is := l.ask(l.connect(), "SELECT convert_from(lo_get(777011), 'UTF8')"); fmt.Sprint(is) != "[[shared]]" {
		t.Errorf("%q", is)
	}
}
