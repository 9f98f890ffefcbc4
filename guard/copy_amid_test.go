package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/internal/pgtest"
)

// What does not belong into a COPY, and a COPY that nobody has told rowback of.
func TestCopy_AmidItWhatDoesNotBelongThere(t *testing.T) {
	pgtest.Since(t, 14, "the end of a session that sends what does not belong into a COPY")
	e := newEnv(t, policy.Uniform(policy.Block, 1000), shop, wireExtra)
	admin := pgtest.Shared(t).URL("postgres")
	data := messages{&pgproto3.CopyData{Data: []byte("1000\tx\n")}}
	for name, x := range map[string]messages{
		"amid a COPY of several": cat(q("DELETE FROM plain WHERE id = 1; COPY plain FROM STDIN"), data, bind("", "")),
		"at once":                cat(q("DELETE FROM plain WHERE id = 1; COPY plain FROM STDIN"), parse("", "SELECT 1"), data),
		"a Query":                cat(q("DELETE FROM plain WHERE id = 1; COPY plain FROM STDIN"), data, q("SELECT 1")),
		"not counted":            cat(q("COPY plain FROM STDIN"), data, q("SELECT 1")),
		"unknown":                cat(parse("", "COPY small FROM STDIN"), execute("p", 2), parse("", "DELETE FROM plain WHERE id = $1::int AND a <> E'\\\\'"), syncMsg, bind("", ""), execute("", 0), messages{&pgproto3.CopyData{Data: []byte("7\n")}, &pgproto3.CopyDone{}}, syncMsg),
		"unknown, refused":       cat(parse("", "COPY small FROM STDIN"), execute("p", 2), parse("", "DELETE FROM plain WHERE id = $1::int AND a <> E'\\\\'"), syncMsg, bind("", ""), execute("", 0), messages{&pgproto3.CopyFail{}}, syncMsg),
	} {
		t.Run(name, func(t *testing.T) {
			var said [2][]string
			for i, url := range []string{e.direct, e.url} {
				db := e.database + "_x"
				pgtest.Shared(t).CreateDatabase(t, db, e.database)
				said[i] = recite(t, strings.Replace(url, e.database, db, 1), db, x)
				pgtest.Exec(t, admin, "DROP DATABASE "+db+" WITH (FORCE)")
			}
			equal(t, "answers", said[1], said[0])
		})
	}
}
