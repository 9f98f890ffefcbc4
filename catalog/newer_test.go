package catalog

import (
	"reflect"
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// A NOT NULL that was never validated proves no identity.
func TestLoad_NotNullNotValidIsNoKey(t *testing.T) {
	pgtest.Since(t, 18, "NOT NULL … NOT VALID")
	conn := database(t, "CREATE TABLE a (id int UNIQUE, n int UNIQUE); INSERT INTO a VALUES (NULL, 1), (NULL, 2); ALTER TABLE a ADD CONSTRAINT later NOT NULL id NOT VALID")
	a := lookup(t, load(t, conn), "a")
	if id := a.Column("id"); a.Key != nil || !id.NotNull || !id.Unproved || a.Column("n").NotNull {
		t.Errorf("%+v", a)
	}
	run(t, conn, "DELETE FROM a WHERE id IS NULL; ALTER TABLE a VALIDATE CONSTRAINT later")
	a = lookup(t, load(t, conn), "a")
	if id := a.Column("id"); !reflect.DeepEqual(a.Key, []string{"id"}) || !id.NotNull || id.Unproved {
		t.Errorf("validated: %+v", a)
	}
}

func TestLoad_Periods(t *testing.T) {
	pgtest.Since(t, 18, "WITHOUT OVERLAPS, PERIOD and NOT ENFORCED")
	s := load(t, database(t, `CREATE EXTENSION btree_gist; CREATE TABLE p (id int, during daterange, PRIMARY KEY (id, during WITHOUT OVERLAPS));
		CREATE TABLE c (n int PRIMARY KEY, id int, during daterange, FOREIGN KEY (id, PERIOD during) REFERENCES p (id, PERIOD during), other int REFERENCES c NOT ENFORCED)`))
	c := lookup(t, s, "c")
	if key := lookup(t, s, "p").Key; strings.Join(key, " ") != "id during" {
		t.Errorf("key %q", key)
	}
	if len(c.References) != 1 || !c.References[0].Period || c.References[0].Compare[1].Operator != `"pg_catalog".&&` {
		t.Errorf("%+v", c.References)
	}
}
