package guard

import (
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/journal"
)

// Keys are compared by the equality of their type, whatever stands before it in search_path,
// and wherever it is.
func TestProbe_TypesEquality(t *testing.T) {
	database := pgtest.Database(t, `CREATE SCHEMA front; CREATE SCHEMA "Ext"; CREATE EXTENSION citext SCHEMA "Ext"; CREATE TYPE mood AS ENUM ('sad', 'glad'); CREATE TYPE pair AS (a int, b text); CREATE DOMAIN mail AS "Ext".citext; CREATE DOMAIN "Ext".feel AS mood; CREATE DOMAIN feels AS "Ext".feel; CREATE DOMAIN list AS int[]; CREATE DOMAIN span AS int4range; CREATE DOMAIN couple AS pair;
		CREATE TYPE front.mood AS ENUM ('other'); CREATE TYPE front.pair AS (a int);
		CREATE TYPE spans AS RANGE (subtype = float8);
		CREATE FUNCTION front.never(int, int) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'in front'; END $$; CREATE OPERATOR front.= (LEFTARG = int, RIGHTARG = int, FUNCTION = front.never);
		CREATE FUNCTION front.nor("Ext".citext, "Ext".citext) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN RAISE 'in front'; END $$; CREATE OPERATOR front.= (LEFTARG = "Ext".citext, RIGHTARG = "Ext".citext, FUNCTION = front.nor)`)
	c, err := pgx.Connect(t.Context(), pgtest.Shared(t).URL(database))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close(t.Context())
	for typ, x := range map[string]struct{ stored, asked string }{
		"int": {"7", "7"}, "numeric": {"7.0", "7"}, "text": {"a", "a"}, `"Ext".citext`: {"Ann", "ANN"}, "public.mail": {"Ann", "ANN"}, "public.mood": {"sad", "sad"},
		`"Ext".feel`: {"glad", "glad"}, "public.feels": {"sad", "sad"}, `"Ext".feel[]`: {"{sad}", "{sad}"}, "public.list": {"{1,2}", "{1, 2}"}, "public.span": {"[1,2)", "[1,1]"}, "public.couple": {"(1,a)", "(1,a)"},
		"public.mood[]": {"{sad}", "{sad}"}, `"Ext".citext[]`: {"{Ann}", "{ANN}"}, "public.spans": {"[1,2)", "[1,2)"}, "public.pair": {"(1,a)", "(1,a)"}, "int4range": {"[1,2)", "[1,1]"}, "character(3)": {"a", "a  "}, "uuid": {"00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000001"},
	} {
		t.Run(typ, func(t *testing.T) {
			if _, err := c.Exec(t.Context(), `SET search_path = public; DROP TABLE IF EXISTS k; CREATE TABLE k ("The id" `+typ+` PRIMARY KEY); INSERT INTO k VALUES ('`+x.stored+`'); SET search_path = front, pg_catalog, public`); err != nil {
				t.Fatal(err)
			}
			table := journal.Table{Schema: "public", Name: "k", Key: []journal.Column{{Name: "The id", Type: typ}}}
			present, untouched, own, err := probeTable(t.Context(), catalog.FromConn(c), table, []journal.Row{{Values: []*string{&x.asked}}}, 3)
			if err != nil || present != 1 || own != 0 {
				t.Errorf("present %d, untouched %d, own %d: %v", present, untouched, own, err)
			}
		})
	}
}
