package guard_test

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
)

const speaking = `CREATE FUNCTION looked(i int) RETURNS bool STABLE LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'looked at %', i; RETURN true; END $$;
CREATE FUNCTION planned(i int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'planned'; RETURN i; END $$;
CREATE TABLE speaks (id int PRIMARY KEY); INSERT INTO speaks SELECT generate_series(1, 5);
CREATE FUNCTION speaks() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE NOTICE 'gone %', OLD.id; RETURN OLD; END $$; CREATE TRIGGER speaks BEFORE DELETE ON speaks FOR EACH ROW EXECUTE FUNCTION speaks()`

// What the server says beside its answers the client hears once, and nothing of what
// rowback has asked it.
func TestNotices_AreSaidOnce(t *testing.T) {
	long := strings.Repeat("a", 70) // the server says that it cuts the name
	many := func(sql string, n int) []messages {
		var out []messages
		for i := range n {
			out = append(out, cat(pbe(strings.ReplaceAll(sql, "N", string('1'+rune(i)))), syncMsg))
		}
		return out
	}
	for name, p := range map[string]policy.Policy{"block": policy.Uniform(policy.Block, 1000), "hold": policy.Uniform(policy.Hold, 1000)} {
		e := newEnv(t, p, shop, wireExtra, speaking)
		for what, x := range map[string][]messages{
			"in a Query":         {q("DELETE FROM plain " + long + " WHERE id = 1"), q("DELETE FROM orders " + long + " WHERE id = 1 RETURNING *")},
			"in a Parse":         {cat(pbe("DELETE FROM plain "+long+" WHERE id = 1"), syncMsg), cat(pbe("DELETE FROM orders "+long+" WHERE id = 1 RETURNING *"), syncMsg)},
			"in a pipeline":      {cat(parse("s", "DELETE FROM plain "+long+" WHERE id = $1"), bindTo("", "s", "1"), execute("", 0), bindTo("", "s", "2"), execute("", 0), bindTo("", "s", "3"), execute("", 0), syncMsg)},
			"prepared by a name": {cat(parse("s", "DELETE FROM orders "+long+" WHERE id = 1 RETURNING id"), messages{&pgproto3.Describe{ObjectType: 'S', Name: "s"}, &pgproto3.Sync{}}), cat(bind("", "s"), execute("", 0), syncMsg), cat(bind("", "s"), execute("", 0), syncMsg)},
			"of a literal":       {q("SET standard_conforming_strings = off"), q(`DELETE FROM plain WHERE a = 'x\\y'`), cat(pbe(`DELETE FROM plain WHERE a = 'x\\y'`), syncMsg), q(`SELECT 1; DELETE FROM plain WHERE a = 'x\\y'; SELECT nope WHERE`)},
			"while it looks":     {q("DELETE FROM plain WHERE id < 3 AND looked(id)"), cat(pbe("DELETE FROM plain WHERE id BETWEEN 3 AND 5 AND looked(id)"), syncMsg), q("DELETE FROM orders WHERE id < 3 AND looked(id)")},
			"while it plans":     append(many("DELETE FROM plain WHERE id = planned(N)", 3), q("DELETE FROM plain WHERE id = planned(4)"), q("DELETE FROM orders WHERE id = planned(2) RETURNING *")),
			"of a trigger":       {q("DELETE FROM speaks WHERE id = 1"), cat(pbe("DELETE FROM speaks WHERE id = 2"), syncMsg)},
			"of what is counted": {q("SELECT purge(1) AS " + long), cat(pbe("SELECT purge(1) AS "+long), syncMsg)},
			"of taken tables":    {q("TRUNCATE parent CASCADE"), q("DROP TABLE parent CASCADE")},
			"of the settings":    {q("SET client_min_messages = debug2"), q("DELETE FROM plain WHERE id = 1"), q("DELETE FROM orders WHERE id = 1"), q("SELECT purge(2)"), q("RESET client_min_messages")},
		} {
			t.Run(name+", "+what, func(t *testing.T) { e.compare(t, x) })
		}
	}
}
