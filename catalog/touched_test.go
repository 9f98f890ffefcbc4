package catalog

import (
	"context"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
)

const touchedFixture = `
CREATE TABLE root (id int PRIMARY KEY, up int REFERENCES root ON DELETE CASCADE);
CREATE TABLE a (id int PRIMARY KEY, root int REFERENCES root ON DELETE CASCADE);
CREATE TABLE b (id int PRIMARY KEY, root int REFERENCES root ON DELETE CASCADE);
CREATE TABLE c (id int PRIMARY KEY, a int REFERENCES a ON DELETE CASCADE, b int REFERENCES b ON DELETE CASCADE);
CREATE TABLE d (id int PRIMARY KEY, c int REFERENCES c ON DELETE SET NULL);
CREATE TABLE e (id int PRIMARY KEY, d int REFERENCES d ON DELETE CASCADE);
CREATE TABLE restricting (id int PRIMARY KEY, root int REFERENCES root);
CREATE TABLE parted (id int, root int REFERENCES root ON DELETE CASCADE, PRIMARY KEY (id)) PARTITION BY RANGE (id);
CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (10) TO (20) PARTITION BY RANGE (id);
CREATE TABLE parted_2a PARTITION OF parted_2 FOR VALUES FROM (10) TO (20);
CREATE TABLE under (id int PRIMARY KEY, parted int REFERENCES parted ON DELETE CASCADE);
CREATE TABLE base (id int PRIMARY KEY);
CREATE TABLE derived (PRIMARY KEY (id)) INHERITS (base);
CREATE TABLE of_derived (id int REFERENCES derived ON DELETE CASCADE);
CREATE TABLE x (id int PRIMARY KEY, y int);
CREATE TABLE y (id int PRIMARY KEY, x int REFERENCES x ON DELETE CASCADE);
ALTER TABLE x ADD FOREIGN KEY (y) REFERENCES y ON DELETE CASCADE;
INSERT INTO root VALUES (1, NULL), (2, 1);
INSERT INTO a VALUES (1, 1); INSERT INTO b VALUES (1, 2); INSERT INTO c VALUES (1, 1, NULL), (2, NULL, 1); INSERT INTO d VALUES (1, 1); INSERT INTO e VALUES (1, 1);
INSERT INTO parted VALUES (1, 1), (11, 2); INSERT INTO under VALUES (1, 1), (2, 11);
INSERT INTO base VALUES (1); INSERT INTO derived VALUES (2); INSERT INTO of_derived VALUES (2);
INSERT INTO x VALUES (1); INSERT INTO y VALUES (1, 1); UPDATE x SET y = 1;
CREATE VIEW roots AS SELECT * FROM root;
`

// TestTouched compares with the server's counters of the rows deleted: with at
// least a row in every table on the way, the tables counted are those touched.
func TestTouched(t *testing.T) {
	conn := database(t, touchedFixture)
	s := load(t, conn)
	for _, name := range []string{"root", "a", "c", "d", "parted", "parted_1", "parted_2", "base", "derived", "x", "y", "roots"} {
		run(t, conn, "BEGIN")
		before := counters(t, conn) // may hold those of earlier transactions
		run(t, conn, "DELETE FROM "+name)
		var counted []uint32
		for oid, n := range counters(t, conn) {
			if n > before[oid] {
				counted = append(counted, oid)
			}
		}
		slices.Sort(counted)
		run(t, conn, "ROLLBACK")
		touched, all := s.Touched(lookup(t, s, name))
		if all || !slices.Equal(touched, counted) {
			t.Errorf("DELETE FROM %s: touched %v (all: %v), counted by the server %v", name, names(s, touched), all, names(s, counted))
		}
	}
}

func TestTouched_UnsafeOnTheWay(t *testing.T) {
	const purge = `CREATE TABLE victim (id int); CREATE FUNCTION purge() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM victim; RETURN NULL; END$$;
		CREATE FUNCTION wipe() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN TRUNCATE victim; RETURN NULL; END$$;`
	for name, c := range map[string]struct {
		sql, from, unsafe string
		all               bool
	}{
		"DELETE trigger on a cascade": {"CREATE TRIGGER tr AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION purge()", "root", "c", true},
		"UPDATE trigger on SET NULL":  {"CREATE TRIGGER tr AFTER UPDATE ON d FOR EACH ROW EXECUTE FUNCTION purge()", "root", "d", true},
		"UPDATE trigger on a cascade": {"CREATE TRIGGER tr AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION purge()", "root", "", false},
		"trigger beyond SET NULL":     {"CREATE TRIGGER tr AFTER DELETE ON e FOR EACH ROW EXECUTE FUNCTION purge()", "root", "e", false},
		"trigger on a leaf":           {"CREATE TRIGGER tr AFTER DELETE ON parted_2a FOR EACH ROW EXECUTE FUNCTION purge()", "root", "parted_2a", true},
		"DELETE rule":                 {"CREATE RULE r AS ON DELETE TO a DO ALSO DELETE FROM victim", "root", "", true},
		"harmless DELETE rule":        {"CREATE RULE r AS ON DELETE TO a DO ALSO INSERT INTO victim VALUES (1)", "root", "", false},
		"disabled":                    {"CREATE TRIGGER tr AFTER DELETE ON c FOR EACH ROW EXECUTE FUNCTION purge(); ALTER TABLE c DISABLE TRIGGER ALL", "root", "", false},
		"TRUNCATE":                    {"CREATE TRIGGER tr AFTER DELETE ON b FOR EACH STATEMENT EXECUTE FUNCTION wipe()", "root", "b", true},
		"view":                        {"CREATE VIEW v AS SELECT 1 AS id; CREATE TRIGGER tr INSTEAD OF DELETE ON v FOR EACH ROW EXECUTE FUNCTION wipe()", "v", "v", true},
	} {
		t.Run(name, func(t *testing.T) {
			s := load(t, database(t, touchedFixture+purge+c.sql))
			if _, all := s.Touched(lookup(t, s, c.from)); all != c.all {
				t.Errorf("all = %v", all)
			}
			for _, x := range s.Tables {
				if got, want := len(x.UnsafeTriggers) > 0, x.Name == c.unsafe; got != want {
					t.Errorf("%s: UnsafeTriggers %v", x.Name, x.UnsafeTriggers)
				}
			}
		})
	}
}

// counters are the server's counts of rows deleted, by table.
func counters(t *testing.T, conn *pgx.Conn) map[uint32]int64 {
	t.Helper()
	rows, err := conn.Query(context.Background(),
		"SELECT oid, pg_stat_get_xact_tuples_deleted(oid) FROM pg_class WHERE relkind = 'r' AND oid >= 16384")
	if err != nil {
		t.Fatal(err)
	}
	counts := map[uint32]int64{}
	var oid uint32
	var n int64
	if _, err := pgx.ForEachRow(rows, []any{&oid, &n}, func() error { counts[oid] = n; return nil }); err != nil {
		t.Fatal(err)
	}
	return counts
}

func names(s *Snapshot, oids []uint32) (list []string) {
	for _, o := range oids {
		list = append(list, s.Tables[o].Name)
	}
	return list
}
