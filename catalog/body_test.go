package catalog

import (
	"strings"
	"testing"
)

func TestReadBody(t *testing.T) {
	for _, c := range []struct {
		text, lang             string
		deletes                string
		commits, ddl           bool
		mentions, writes, nots string
	}{
		{text: "BEGIN DELETE FROM a; END", deletes: "DELETE", mentions: "a"},
		{text: "begin delete/* */from a; end", deletes: "DELETE"},
		{text: "BEGIN IF x THEN delete FROM a; END IF; END", deletes: "DELETE"},
		{text: "FOR r IN DELETE FROM a RETURNING * LOOP", deletes: "DELETE"},
		{text: "BEGIN RETURN QUERY EXECUTE q; END", deletes: "dynamic EXECUTE"},
		{text: "OPEN c FOR EXECUTE 'SELECT 1'", deletes: "dynamic EXECUTE"},
		{text: "DROP TABLE a", deletes: "DROP", ddl: true},
		{text: "ALTER TABLE a RENAME TO b", deletes: "ALTER", ddl: true},
		{text: "DROP TYPE a CASCADE; CREATE UNLOGGED TABLE b (LIKE c)", deletes: "DROP … CASCADE", ddl: true},
		{text: "DROP TYPE a", ddl: true},
		{text: "CREATE TABLE p1 PARTITION OF p DEFAULT", deletes: "CREATE TABLE", ddl: true},
		{text: "ALTER TABLE a DETACH PARTITION b", deletes: "DETACH PARTITION", ddl: true},
		{text: "ALTER TABLE a ENABLE TRIGGER b", deletes: "ENABLE TRIGGER or RULE", ddl: true},
		{text: "LOAD 'x'", deletes: "LOAD"},
		{text: "COMMIT; ROLLBACK", commits: true},
		{text: "CREATE TEMP TABLE x () ON COMMIT DROP", ddl: true},
		{text: `UPDATE ONLY s."A""b" SET x = f(1)`, mentions: `a"b f x s`, writes: `a"b`, nots: "f"},
		{text: "INSERT INTO a SELECT * FROM b", mentions: "a b", writes: "a", nots: "b"},
		{text: "SELECT a INTO v FROM b", writes: "v", nots: "b"},
		{text: "SELECT 1 INTO made", lang: langSQL, ddl: true},
		{text: "SELECT 'it''s DELETE FROM a' -- DELETE FROM a"},
		{text: `SELECT E'\' DELETE FROM a'`},
		{text: `SELECT '\'; DELETE FROM a --'`, deletes: `a string with \' in it`},
		{text: `SELECT U&"d\0061t"()`, deletes: "an identifier with Unicode escapes"},
		{text: "SELECT 'unterminated", deletes: "text that cannot be read", commits: true},
		{text: "CREATE OR REPLACE RULE r AS ON UPDATE TO a DO ALSO NOTHING", deletes: "CREATE RULE", ddl: true},
	} {
		if c.lang == "" {
			c.lang = langPLpgSQL
		}
		b := readBody(c.text, c.lang)
		if b.deletes != c.deletes || b.commits != c.commits || b.ddl != c.ddl {
			t.Errorf("%s: %+v", c.text, b)
		}
		for list, ok := range map[string]func(written, found bool) bool{
			c.mentions: func(_, found bool) bool { return found },
			c.writes:   func(written, found bool) bool { return found && written },
			c.nots:     func(written, _ bool) bool { return !written },
		} {
			for _, name := range strings.Fields(list) {
				if written, found := b.names[name]; !ok(written, found) {
					t.Errorf("%s: name %s: written %v, found %v", c.text, name, written, found)
				}
			}
		}
	}
}
