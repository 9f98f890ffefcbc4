package catalog

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// path writes a step for comparison: "c.b>b of p" is table c, hanging on those rows of b that are in p, by column b.
func path(r Reached, i int) string {
	s := r.Steps[i]
	out := s.Table.Name
	if s.Key != nil {
		out += "." + strings.Join(s.Key.Columns, ",") + ">" + r.Steps[s.Parent].Table.Name
	}
	of := func(tables []*Table) {
		for i, t := range tables {
			out += []string{" of ", "+"}[min(i, 1)] + t.Name
		}
	}
	of(s.Of)
	if s.Unlinks() {
		out += " sets " + strings.Join(s.Key.SetColumns(), ",")
	}
	if s.Self != nil {
		out += " self " + strings.Join(s.Self.Columns, ",")
		of(s.SelfOf)
	}
	return out
}

func TestReached(t *testing.T) {
	s := load(t, database(t, touchedFixture+`
		CREATE TABLE two (id int PRIMARY KEY, p int REFERENCES two ON DELETE CASCADE, q int REFERENCES two ON DELETE CASCADE);
		CREATE TABLE tree (id int PRIMARY KEY, p int REFERENCES tree ON DELETE SET NULL);
		CREATE TABLE pair (a int, b int, PRIMARY KEY (a, b));
		CREATE TABLE half (a int, b int, FOREIGN KEY (a, b) REFERENCES pair ON DELETE SET NULL (b));
		CREATE TABLE one_leaf (id int REFERENCES parted_1 ON DELETE CASCADE);
		CREATE TABLE two_leaves (id int REFERENCES parted_2 ON DELETE CASCADE);
		CREATE TABLE heir (id int REFERENCES tree ON DELETE CASCADE); CREATE TABLE heir_child () INHERITS (heir);
		CREATE TABLE old (id int PRIMARY KEY, up int REFERENCES old ON DELETE CASCADE); CREATE TABLE young (more int UNIQUE, PRIMARY KEY (id)) INHERITS (old);
		CREATE TABLE of_old (id int REFERENCES old ON DELETE CASCADE, y int REFERENCES young ON DELETE SET NULL);
		ALTER TABLE old ADD guide int REFERENCES young ON DELETE CASCADE;
		CREATE TABLE own (id int PRIMARY KEY); CREATE TABLE owned (more int UNIQUE) INHERITS (own); CREATE TABLE of_more (more int REFERENCES owned (more) ON DELETE CASCADE);
		CREATE TABLE back (id int PRIMARY KEY); CREATE TABLE back_heir (to_back int REFERENCES back ON DELETE CASCADE) INHERITS (back);
		CREATE TABLE first (id int PRIMARY KEY); CREATE TABLE second (id int PRIMARY KEY, f int UNIQUE REFERENCES first ON DELETE SET NULL); CREATE TABLE third (s int REFERENCES second (f) ON UPDATE CASCADE, o int REFERENCES second (id) ON UPDATE CASCADE);
		CREATE TABLE cuts (id int PRIMARY KEY); CREATE TABLE cuts_heir (to_cuts int REFERENCES cuts ON DELETE SET NULL) INHERITS (cuts);`))
	set := "b"
	if !setsColumns(t) {
		set = "a,b"
	}
	for _, c := range []struct {
		table string
		only  bool
		steps []string
		cycle bool
		unfit string
	}{
		{table: "restricting", steps: []string{"restricting"}},
		{table: "root", steps: []string{
			"root self up", "a.root>root", "c.a>a", "d.c>c sets c", "b.root>root", "c.b>b", "d.c>c sets c", "parted.root>root", "under.parted>parted", "one_leaf.id>parted of parted_1", "two_leaves.id>parted of parted_2a"}},
		{table: "a", steps: []string{"a", "c.a>a", "d.c>c sets c"}},
		{table: "parted_2a", steps: []string{"parted_2a", "under.parted>parted_2a", "two_leaves.id>parted_2a"}},
		{table: "parted_1", steps: []string{"parted_1", "under.parted>parted_1", "one_leaf.id>parted_1"}},
		{table: "two", steps: []string{"two self p", "two.q>two"}},
		{table: "tree", steps: []string{"tree", "heir.id>tree", "tree.p>tree sets p"}},
		{table: "pair", steps: []string{"pair", "half.a,b>pair sets " + set}},
		{table: "x", cycle: true, steps: []string{"x", "y.x>x", "x.y>y"}},
		{table: "base", steps: []string{"base", "of_derived.id>base of derived"}},
		{table: "old", steps: []string{"old self up of old", "of_old.id>old of old", "of_old.y>old of young sets y", "old.guide>old of young"}},
		{table: "old", only: true, steps: []string{"old self up", "of_old.id>old"}},
		{table: "own", unfit: "references a column that", steps: []string{"own"}},
		{table: "back", unfit: "leads back to", steps: []string{"back"}},
		{table: "first", unfit: "passes on what", steps: []string{"first", "second.f>first sets f"}},
		{table: "cuts", unfit: "leads back to", steps: []string{"cuts"}},
		{table: "base", only: true, steps: []string{"base"}},
		{table: "derived", steps: []string{"derived", "of_derived.id>derived"}},
	} {
		r := lookup(t, s, c.table).Reached(c.only)
		var steps []string
		for i := range r.Steps {
			steps = append(steps, path(r, i))
			if r.Steps[i].Parent >= i {
				t.Errorf("%s: step %d comes before its parent", c.table, i)
			}
		}
		if !slices.Equal(steps, c.steps) || r.Cycle != c.cycle || (r.Unfit == "") != (c.unfit == "") || !strings.Contains(r.Unfit, c.unfit) {
			t.Errorf("%s:\n got %q, cycle %v, unfit %q\nwant %q", c.table, steps, r.Cycle, r.Unfit, c.steps)
		}
	}
}

func TestReached_PathsAreBounded(t *testing.T) {
	var sql strings.Builder
	sql.WriteString("CREATE TABLE l0 (id int PRIMARY KEY);")
	for i := 1; i < 12; i++ {
		fmt.Fprintf(&sql, "CREATE TABLE l%d (id int PRIMARY KEY, a int REFERENCES l%d ON DELETE CASCADE, b int REFERENCES l%d ON DELETE CASCADE);", i, i-1, i-1)
	}
	s := load(t, database(t, sql.String()))
	if r := lookup(t, s, "l0").Reached(false); len(r.Steps) != maxSteps || r.Unfit == "" {
		t.Errorf("%d steps, unfit %q", len(r.Steps), r.Unfit)
	}
}
