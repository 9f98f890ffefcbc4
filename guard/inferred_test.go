package guard_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
)

// Triggers and functions inside a statement have the cascade take other rows than those
// that referred to the removed ones when it began. What is on record as captured is true:
// by what is still there, as here nobody can look from outside. Else it says that it is not.
func TestInferred(t *testing.T) {
	const family = `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
		INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (10, 1), (20, 2), (11, 1), (30, 2);
		CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = 3 - p WHERE id IN (10, 20); RETURN OLD; END$$;
		CREATE FUNCTION swapped() RETURNS bool LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = 3 - p WHERE id IN (10, 20); RETURN true; END$$;
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = p WHERE id <> OLD.id; RETURN NULL; END$$;
		CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN IF OLD.id = 10 THEN DELETE FROM c WHERE id = 30; RETURN NULL; END IF; RETURN OLD; END$$;
		CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN CASE WHEN OLD.id = 10 THEN NULL ELSE OLD END; END$$;`
	for name, x := range map[string]struct {
		setup, before, sql string
		unsure             bool
	}{
		"nothing of the kind":         {},
		"swapped row by row":          {setup: `CREATE TRIGGER tr BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION swap()`, unsure: true},
		"swapped before all":          {setup: `CREATE TRIGGER tr BEFORE DELETE ON p EXECUTE FUNCTION swap()`, unsure: true},
		"swapped by a function":       {sql: "DELETE FROM p WHERE id = 1 AND swapped()", unsure: true},
		"touched, and not moved":      {setup: `CREATE TRIGGER tr AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION touch()`},
		"another one in its place":    {setup: `CREATE TRIGGER tr BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION other()`, unsure: true},
		"one kept":                    {setup: `CREATE TRIGGER tr BEFORE DELETE ON c FOR EACH ROW EXECUTE FUNCTION keep()`},
		"no trigger fires: a replica": {before: "SET session_replication_role = replica"},
		"triggers switched off":       {setup: "ALTER TABLE p DISABLE TRIGGER ALL"},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 10), family, x.setup)
			c := e.connect(pgx.QueryExecModeSimpleProtocol)
			defer c.Close(context.Background())
			if x.before != "" {
				mustExec(t, c, x.before)
			}
			before := e.keys()
			if x.sql == "" {
				x.sql = "DELETE FROM p WHERE id = 1"
			}
			mustExec(t, c, x.sql)
			gone := minus(before, e.keys())
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Rows != int64(len(gone)) {
				t.Fatalf("%q are gone; entries %+v", gone, es)
			}
			sure := true
			for _, s := range es[0].Tables {
				sure = sure && s.KeysCaptured
			}
			if sure == x.unsure {
				t.Errorf("sure: %v; %+v", sure, es[0].Tables)
			}
			if recorded := e.journalled(); sure && !slices.Equal(recorded, gone) {
				t.Errorf("on record are %q, gone are %q", recorded, gone)
			}
			t.Log(fmt.Sprint(gone))
		})
	}
}

// So it is with what hangs on those rows in turn, and with links to them that are cut.
func TestInferred_FurtherDown(t *testing.T) {
	const family = `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p ON DELETE CASCADE);
		CREATE TABLE a (id int PRIMARY KEY, c int REFERENCES c ON DELETE CASCADE); CREATE TABLE z (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE); CREATE TABLE link (id int PRIMARY KEY, c int REFERENCES c ON DELETE SET NULL);
		INSERT INTO p VALUES (1), (2); INSERT INTO c VALUES (10, 1), (20, 2), (11, 1), (30, 2), (40, 2); INSERT INTO a SELECT id + 100, id FROM c; INSERT INTO z SELECT id + 100, id FROM a; INSERT INTO link SELECT id + 500, id FROM c WHERE id < 40;
		CREATE FUNCTION swap() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = 3 - p WHERE id IN (10, 20); RETURN OLD; END$$;
		CREATE FUNCTION swapped() RETURNS bool LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = 3 - p WHERE id IN (10, 20); RETURN true; END$$;
		CREATE FUNCTION grow() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = 3 - p WHERE id IN (10, 20, 40); DELETE FROM a WHERE c = 40; RETURN OLD; END$$;
		CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE c SET p = p WHERE id <> OLD.id; RETURN NULL; END$$;
		CREATE FUNCTION turn() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN UPDATE link SET c = 31 - c WHERE id IN (511, 520); RETURN OLD; END$$;`
	for name, x := range map[string]struct {
		setup, sql string
		unsure     []string
	}{
		"nothing of the kind":    {},
		"swapped by a trigger":   {setup: `CREATE TRIGGER tr BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION swap()`, unsure: []string{"a", "c", "link", "z"}},
		"swapped by a function":  {sql: "DELETE FROM p WHERE id = 1 AND swapped()", unsure: []string{"a", "c", "link", "z"}},
		"another one beside":     {setup: `CREATE TRIGGER tr BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION grow()`, unsure: []string{"a", "c", "link", "z"}},
		"touched, and not moved": {setup: `CREATE TRIGGER tr AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION touch()`},
		"links turned":           {setup: `CREATE TRIGGER tr BEFORE DELETE ON p FOR EACH ROW EXECUTE FUNCTION turn()`, unsure: []string{"link"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, policy.Uniform(policy.Block, 100), family, x.setup)
			c := e.connect(pgx.QueryExecModeSimpleProtocol)
			defer c.Close(context.Background())
			before := e.keys()
			if x.sql == "" {
				x.sql = "DELETE FROM p WHERE id = 1"
			}
			mustExec(t, c, x.sql)
			gone := minus(before, e.keys())
			es := e.entries(journal.Filter{})
			if len(es) != 1 || es[0].Rows != int64(len(gone)) {
				t.Fatalf("%q are gone; entries %+v", gone, es)
			}
			var unsure []string
			for _, s := range es[0].Tables {
				if !s.KeysCaptured {
					unsure = append(unsure, s.Name)
				}
			}
			slices.Sort(unsure)
			if !slices.Equal(unsure, x.unsure) {
				t.Errorf("unsure of %q; %+v", unsure, es[0].Tables)
			}
			if recorded := e.journalled(); len(unsure) == 0 && !slices.Equal(recorded, gone) {
				t.Errorf("on record are %q, gone are %q", recorded, gone)
			}
		})
	}
}
