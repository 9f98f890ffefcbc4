package recovery

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// forest is a schema with most shapes of references: a chain of cascades, a
// tree, a composite key, a unique column, two parents, and a circle.
const forest = `
	CREATE TABLE a (id int PRIMARY KEY, u int UNIQUE, v int);
	CREATE TABLE b (id int PRIMARY KEY, a_id int NOT NULL REFERENCES a ON DELETE CASCADE, v int);
	CREATE TABLE m (a_id int REFERENCES a ON DELETE CASCADE, b_id int REFERENCES b ON DELETE CASCADE, v int, PRIMARY KEY (a_id, b_id));
	CREATE TABLE tree (id int PRIMARY KEY, up int REFERENCES tree ON DELETE CASCADE, b_id int REFERENCES b ON DELETE CASCADE, v int);
	CREATE TABLE x (id int PRIMARY KEY, y_id int NOT NULL, v int);
	CREATE TABLE y (id int PRIMARY KEY, x_id int NOT NULL REFERENCES x ON DELETE CASCADE, a_id int REFERENCES a ON DELETE CASCADE, v int);
	ALTER TABLE x ADD FOREIGN KEY (y_id) REFERENCES y ON DELETE CASCADE DEFERRABLE;
	INSERT INTO a SELECT i, i, i FROM generate_series(1, 30) i;
	INSERT INTO b SELECT i, 1 + i % 30, i FROM generate_series(1, 60) i;
	INSERT INTO m SELECT 1 + i % 30, 1 + i % 59, i FROM generate_series(1, 80) i ON CONFLICT DO NOTHING;
	INSERT INTO tree SELECT i, CASE WHEN i > 3 THEN i / 3 END, CASE WHEN i % 4 = 0 THEN 1 + i % 60 END, i FROM generate_series(1, 90) i;
	BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO x SELECT i, i, i FROM generate_series(1, 20) i; INSERT INTO y SELECT i, i, CASE WHEN i % 2 = 0 THEN 1 + i % 30 END, i FROM generate_series(1, 20) i; COMMIT`

// forestKeys are forest's foreign keys: table, column, parent. Every parent's key is its id.
var forestKeys = [][3]string{
	{"b", "a_id", "a"}, {"m", "a_id", "a"}, {"m", "b_id", "b"}, {"tree", "up", "tree"}, {"tree", "b_id", "b"},
	{"x", "y_id", "y"}, {"y", "x_id", "x"}, {"y", "a_id", "a"},
}

// expected is the state that a restore must lead to, computed by the rules
// alone, row by row: what the incident took (was, not left) comes back unless
// its key is there, its unique value is taken, or a parent is neither there
// nor comes back.
func expected(was, left, now state) state {
	want := state{}
	for table, rows := range now {
		want[table] = map[string]map[string]string{}
		for k, row := range rows {
			want[table][k] = row
		}
	}
	taken := map[string]bool{}
	for _, row := range now["public.a"] {
		taken[row["u"]] = true
	}
	for table, rows := range was {
		for k, row := range rows {
			if left[table][k] != nil || now[table][k] != nil || table == "public.a" && taken[row["u"]] {
				continue
			}
			want[table][k] = row
		}
	}
	for again := true; again; {
		again = false
		for _, fk := range forestKeys {
			child, parent := "public."+fk[0], "public."+fk[2]
			for k, row := range want[child] {
				if v := row[fk[1]]; v != null && want[parent][v] == nil && now[child][k] == nil {
					delete(want[child], k)
					again = true
				}
			}
		}
	}
	return want
}

// mischief is random SQL that respects the schema's constraints, or fails alone.
func mischief(r *rand.Rand, n int) []string {
	var out []string
	try := func(format string, args ...any) {
		out = append(out, "DO $$ BEGIN "+fmt.Sprintf(format, args...)+"; EXCEPTION WHEN OTHERS THEN NULL; END $$")
	}
	for range n {
		id, other := 1+r.IntN(70), 1+r.IntN(70)
		table := []string{"a", "b", "tree", "x", "y"}[r.IntN(5)]
		switch r.IntN(7) {
		case 0:
			try("DELETE FROM %s WHERE id = %d", table, id)
		case 1:
			try("UPDATE %s SET v = %d WHERE id = %d", table, -id, other)
		case 2:
			try("INSERT INTO a VALUES (%d, %d, 0)", 100+id, other)
		case 3:
			try("INSERT INTO a VALUES (%d, %d, %d)", id, id, []int{0, id}[r.IntN(2)])
		case 4:
			try("INSERT INTO b VALUES (%d, %d, %d)", id, other, id)
		case 5:
			try("UPDATE tree SET up = %d WHERE id = %d", other, id)
		case 6:
			try("INSERT INTO m VALUES (%d, %d, %d)", id, other, id)
		}
	}
	return out
}

func incidentOf(r *rand.Rand) string {
	return []string{
		fmt.Sprintf("DELETE FROM a WHERE id %% %d = 0", 1+r.IntN(4)),
		fmt.Sprintf("DELETE FROM b WHERE id > %d", r.IntN(60)),
		fmt.Sprintf("DELETE FROM tree WHERE id = %d", 1+r.IntN(10)),
		"DELETE FROM x",
		"DELETE FROM a; DELETE FROM tree; DELETE FROM x",
	}[r.IntN(5)]
}

// SEEDS=from-to runs further seeds.
func TestRestore_RandomIncidentsAgainstAnOracle(t *testing.T) {
	from, to := seeds(t, 1, 4)
	for seed := from; seed <= to; seed++ {
		t.Run("seed "+strconv.FormatUint(seed, 10), func(t *testing.T) {
			r := rand.New(rand.NewPCG(seed, 0))
			l := newLab(t, forest).backup()
			l.exec(mischief(r, r.IntN(10))...)
			// Rows that the backup holds in another state are not the incident's
			// contents any more: the oracle knows only the backup's.
			was := l.state(l.recovery)
			start := l.state(l.production)
			id := l.incident(incidentOf(r))
			left := l.state(l.production)
			l.exec(mischief(r, r.IntN(25))...)
			now := l.state(l.production)
			took := state{}
			for table, rows := range was {
				took[table] = map[string]map[string]string{}
				for k, row := range rows {
					if start[table][k] != nil && left[table][k] == nil {
						took[table][k] = row
					}
				}
			}
			o := l.options(id)
			if seed%2 == 0 {
				role := l.role(allGrants...)
				o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
			}
			report := l.restore(o)
			l.is(l.state(l.production), expected(took, left, now))
			for _, c := range report.Tables {
				if sum := c.Restored + c.AlreadyPresent + c.Different + c.Conflicts + c.Missing + c.ParentGone; sum != c.Requested {
					t.Errorf("%+v does not add up", c)
				}
			}
		})
	}
}

func seeds(t *testing.T, from, to uint64) (uint64, uint64) {
	text, ok := os.LookupEnv("SEEDS")
	if !ok {
		return from, to
	}
	parts := strings.SplitN(text, "-", 2)
	from, err := strconv.ParseUint(parts[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	to = from
	if len(parts) == 2 {
		if to, err = strconv.ParseUint(parts[1], 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return from, to
}

func TestComponents_ParentsFirstCirclesTogether(t *testing.T) {
	l := newLab(t, forest)
	s := l.side(l.production)
	var tables []*table
	for _, ct := range userTables(s) {
		tables = append(tables, &table{live: ct})
	}
	slices.Reverse(tables)
	at := map[string]int{}
	for i, group := range components(tables) {
		for _, m := range group {
			at[m.live.Name] = i
		}
	}
	for _, fk := range forestKeys {
		if at[fk[2]] > at[fk[0]] {
			t.Errorf("%s comes after its child %s", fk[2], fk[0])
		}
	}
	if at["x"] != at["y"] || at["a"] == at["b"] {
		t.Errorf("components: %v", at)
	}
}
