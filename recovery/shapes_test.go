package recovery

import (
	"strings"
	"testing"
)

// zoo has a table or two of every shape, each filled, each shape by itself.
var zoo = []string{
	// A key that is none by name.
	`CREATE TABLE nokey (a int NOT NULL UNIQUE, b text NOT NULL, v text); INSERT INTO nokey SELECT i, 'b', 'v' FROM generate_series(1, 9) i`,
	// Keys of every kind, and what refers to them.
	`CREATE TABLE kt (k text COLLATE "C", u uuid, v int, PRIMARY KEY (k, u)); CREATE TABLE kt_c (id int PRIMARY KEY, k text, u uuid, FOREIGN KEY (k, u) REFERENCES kt ON DELETE CASCADE);
	INSERT INTO kt SELECT E'a\\ "' || i, md5(i::text)::uuid, i FROM generate_series(1, 9) i; INSERT INTO kt_c SELECT v, k, u FROM kt`,
	`CREATE TABLE kb (k bytea PRIMARY KEY); CREATE TABLE kb_c (k bytea REFERENCES kb ON DELETE CASCADE, n numeric, d date, PRIMARY KEY (k, n, d));
	INSERT INTO kb SELECT decode(lpad(to_hex(i), 4, '0'), 'hex') FROM generate_series(90, 99) i; INSERT INTO kb_c SELECT k, 1.50, '0044-03-15 BC' FROM kb; INSERT INTO kb_c SELECT k, 'NaN', 'infinity' FROM kb`,
	// A foreign key to a unique key that is not the primary one.
	`CREATE TABLE uq (id int PRIMARY KEY, a int, b text, UNIQUE (b, a)); CREATE TABLE uq_c (id int PRIMARY KEY, b text, a int, FOREIGN KEY (b, a) REFERENCES uq (b, a) ON DELETE CASCADE);
	INSERT INTO uq SELECT i, i, 'b' || i FROM generate_series(1, 9) i; INSERT INTO uq_c SELECT id, b, a FROM uq`,
	// Names that need their quotes.
	`CREATE SCHEMA "Ünï Sch.ema"; CREATE TABLE "Ünï Sch.ema"."Tä""b'le" ("Ké""y" int PRIMARY KEY, "select" text, "up" int REFERENCES "Ünï Sch.ema"."Tä""b'le" ON DELETE CASCADE);
	INSERT INTO "Ünï Sch.ema"."Tä""b'le" SELECT i, '日本🙂', nullif(i / 2, 0) FROM generate_series(1, 9) i`,
	// A child that shares its parent's key, on several levels.
	`CREATE TABLE mti (id serial PRIMARY KEY, v text); CREATE TABLE mti2 (id int PRIMARY KEY REFERENCES mti ON DELETE CASCADE, v text); CREATE TABLE mti3 (id int PRIMARY KEY REFERENCES mti2 ON DELETE CASCADE, v text);
	INSERT INTO mti SELECT i, 'v' FROM generate_series(1, 9) i; INSERT INTO mti2 SELECT id, v FROM mti WHERE id > 2; INSERT INTO mti3 SELECT id, v FROM mti2 WHERE id > 4`,
	// A list of 600 levels.
	`CREATE TABLE deep (id int PRIMARY KEY, up int NOT NULL REFERENCES deep ON DELETE CASCADE); INSERT INTO deep SELECT i, greatest(i - 1, 1) FROM generate_series(1, 600) i`,
	// Circles: with a link that may be null, one that may be deferred, one that may neither.
	`CREATE TABLE n1 (id int PRIMARY KEY, o int); CREATE TABLE n2 (id int PRIMARY KEY, o int REFERENCES n1 ON DELETE CASCADE);
	INSERT INTO n1 SELECT i, i FROM generate_series(1, 9) i; INSERT INTO n2 SELECT i, i FROM generate_series(1, 9) i; ALTER TABLE n1 ADD FOREIGN KEY (o) REFERENCES n2 ON DELETE CASCADE;
	CREATE TABLE d1 (id int PRIMARY KEY, o int NOT NULL); CREATE TABLE d2 (id int PRIMARY KEY, o int NOT NULL REFERENCES d1 ON DELETE CASCADE);
	INSERT INTO d1 SELECT i, i FROM generate_series(1, 9) i; INSERT INTO d2 SELECT i, 10 - i FROM generate_series(1, 9) i; ALTER TABLE d1 ADD FOREIGN KEY (o) REFERENCES d2 ON DELETE CASCADE DEFERRABLE INITIALLY DEFERRED;
	CREATE TABLE h1 (id int PRIMARY KEY, o int NOT NULL); CREATE TABLE h2 (id int PRIMARY KEY, o int NOT NULL REFERENCES h1 ON DELETE CASCADE);
	INSERT INTO h1 SELECT i, i FROM generate_series(1, 9) i; INSERT INTO h2 SELECT i, 10 - i FROM generate_series(1, 9) i; ALTER TABLE h1 ADD FOREIGN KEY (o) REFERENCES h2 ON DELETE CASCADE`,
	// Plain inheritance: each table has its own keys, and a foreign key sees its own table alone.
	`CREATE TABLE inh (id int PRIMARY KEY, v text); CREATE TABLE inh_a (PRIMARY KEY (id), extra int) INHERITS (inh); CREATE TABLE inh_b (PRIMARY KEY (id)) INHERITS (inh_a);
	CREATE TABLE inh_c (id int PRIMARY KEY, i int REFERENCES inh ON DELETE CASCADE, a int REFERENCES inh_a ON DELETE CASCADE);
	INSERT INTO inh SELECT i, 'p' FROM generate_series(1, 9) i; INSERT INTO inh_a SELECT i, 'a', i FROM generate_series(1, 9) i; INSERT INTO inh_b SELECT i, 'b', i FROM generate_series(5, 20) i;
	INSERT INTO inh_c SELECT i, i, 10 - i FROM generate_series(1, 9) i`,
	// Partitions by list and hash, two levels; links and payload between them.
	`CREATE TABLE pl (id int, r text, v int, PRIMARY KEY (id, r)) PARTITION BY LIST (r); CREATE TABLE pl_eu PARTITION OF pl FOR VALUES IN ('de', 'fr'); CREATE TABLE pl_us PARTITION OF pl FOR VALUES IN ('us') PARTITION BY HASH (id);
	CREATE TABLE pl_us0 PARTITION OF pl_us FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE pl_us1 PARTITION OF pl_us FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE ph (k uuid PRIMARY KEY, v int) PARTITION BY HASH (k); CREATE TABLE ph0 PARTITION OF ph FOR VALUES WITH (MODULUS 2, REMAINDER 0); CREATE TABLE ph1 PARTITION OF ph FOR VALUES WITH (MODULUS 2, REMAINDER 1);
	CREATE TABLE m2m (id int, r text, k uuid REFERENCES ph ON DELETE CASCADE, since timestamptz NOT NULL, PRIMARY KEY (id, r, k), FOREIGN KEY (id, r) REFERENCES pl ON DELETE CASCADE);
	INSERT INTO pl SELECT i, (ARRAY['de', 'fr', 'us'])[1 + i % 3], i FROM generate_series(1, 30) i; INSERT INTO ph SELECT md5(i::text)::uuid, i FROM generate_series(1, 30) i;
	INSERT INTO m2m SELECT pl.id, r, k, 'epoch' FROM pl JOIN ph ON (pl.v + ph.v) % 5 = 0`,
	// A primary key that is checked late, columns that the server makes.
	`CREATE TABLE late (id int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, n int GENERATED ALWAYS AS IDENTITY, g int GENERATED ALWAYS AS (id * 2) STORED UNIQUE); INSERT INTO late (id) SELECT generate_series(1, 9)`,
}

// zooIncident removes rows of every shape, and leaves some.
const zooIncident = `DELETE FROM nokey WHERE a > 3; DELETE FROM kt WHERE v > 3; DELETE FROM kb WHERE k > '\x005c'; DELETE FROM uq WHERE a > 3; DELETE FROM "Ünï Sch.ema"."Tä""b'le" WHERE "Ké""y" = 2;
	DELETE FROM mti WHERE id > 3; DELETE FROM deep WHERE id = 3; DELETE FROM n1 WHERE id < 5; DELETE FROM d1 WHERE id < 5; DELETE FROM h1 WHERE id < 5; DELETE FROM inh WHERE id BETWEEN 4 AND 12; DELETE FROM ONLY inh_a WHERE id = 2;
	DELETE FROM pl WHERE id % 2 = 0; DELETE FROM ph WHERE v < 7; DELETE FROM late WHERE id > 3`

// grantsOn are allGrants for one more schema.
func grantsOn(schema string) []string {
	out := []string{"GRANT USAGE ON SCHEMA " + schema + " TO ROLE"}
	for _, g := range allGrants {
		out = append(out, strings.Replace(g, "SCHEMA public", "SCHEMA "+schema, 1))
	}
	return out
}

func TestShapes_AllComeBack(t *testing.T) {
	l := newLab(t, zoo...).backup()
	role := l.role(append(allGrants, grantsOn(`"Ünï Sch.ema"`)...)...)
	before := l.state(l.production)
	for _, who := range []string{"superuser", "ordinary role"} {
		id := l.incident(zooIncident)
		o := l.options(id)
		if who != "superuser" {
			o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
		}
		report := l.restore(o)
		l.is(l.state(l.production), before)
		if !report.Complete() || report.Restored < 800 {
			t.Errorf("%s: %+v", who, report)
		}
	}
}

// The parent at the root of a long list is gone: all of it stays out. With
// parents asked for, the list comes back from its end.
func TestShapes_DeepListWithoutItsRoot(t *testing.T) {
	l := newLab(t, "CREATE TABLE deep (id int PRIMARY KEY, up int REFERENCES deep ON DELETE CASCADE); INSERT INTO deep SELECT i, nullif(i - 1, 0) FROM generate_series(1, 400) i").backup()
	before := l.state(l.production)
	tail := l.incident("DELETE FROM deep WHERE id = 300")
	l.incident("DELETE FROM deep WHERE id = 2")
	report := l.restore(l.options(tail))
	if c := l.count(report, "deep"); c.ParentGone != 101 || c.Restored != 0 {
		t.Errorf("%+v", c)
	}
	o := l.options(tail)
	o.WithParents = true
	if c := l.count(l.restore(o), "deep"); c.Restored != 399 || c.Parents != 298 {
		t.Errorf("%+v", c)
	}
	l.is(l.state(l.production), before)
}

func TestShapes_RowLevelSecurity(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY, tenant text); ALTER TABLE p ENABLE ROW LEVEL SECURITY; CREATE POLICY mine ON p USING (tenant = current_user);
		INSERT INTO p SELECT i, 't' || i % 2 FROM generate_series(1, 9) i`).backup()
	before := l.state(l.production)
	o := l.options(l.incident("DELETE FROM p WHERE id > 3"))
	role := l.role(allGrants...)
	hidden := o
	hidden.Production = l.asRole(l.production, role)
	l.refused(hidden, Denied, "row-level security hides rows of public.p", "BYPASSRLS")
	hidden.Production, hidden.Recovery = o.Production, l.asRole(l.recovery, role)
	l.refused(hidden, Denied, "recovery: row-level security hides rows")
	// Its owner sees all rows.
	for _, url := range []string{l.production, l.recovery} {
		l.on(url, "ALTER TABLE p OWNER TO "+role)
	}
	hidden.Production = l.asRole(l.production, role)
	l.restore(hidden)
	l.is(l.state(l.production), before)
}

func TestPartitions_Retired(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int, y int, v text, PRIMARY KEY (id, y)) PARTITION BY RANGE (y);
		CREATE TABLE p_18 PARTITION OF p FOR VALUES FROM (18) TO (19); CREATE TABLE p_19 PARTITION OF p FOR VALUES FROM (19) TO (20); CREATE TABLE p_20 PARTITION OF p FOR VALUES FROM (20) TO (21);
		CREATE TABLE c (id int PRIMARY KEY, p int, y int, FOREIGN KEY (p, y) REFERENCES p ON DELETE CASCADE);
		INSERT INTO p SELECT i, 18 + i % 3, 'v' FROM generate_series(1, 30) i; INSERT INTO c SELECT id, id, y FROM p`).backup()
	id := l.incident("DELETE FROM p WHERE id <= 15")
	// One became a table of its own, one has gone, and one is there under another name.
	l.exec("DELETE FROM c", "ALTER TABLE p DETACH PARTITION p_18; ALTER TABLE p DETACH PARTITION p_19; DROP TABLE p_19; ALTER TABLE p DETACH PARTITION p_20; DROP TABLE p_20; CREATE TABLE p_new PARTITION OF p FOR VALUES FROM (20) TO (30)")
	report := l.restore(l.options(id))
	if c := l.count(report, "p"); c.Restored != 5 || c.Conflicts != 10 {
		t.Errorf("p: %+v", c)
	}
	if c := l.count(report, "c"); c.Restored != 5 || c.ParentGone != 10 {
		t.Errorf("c: %+v", c)
	}
	if why := reasons(report)[`p {"id":1,"y":19}`]; !strings.Contains(why, "no partition of public.p takes it") {
		t.Errorf("%v", reasons(report))
	}
	// By the name of the leaf: where it stands alone now, there; where it has gone, through the root.
	byLeaf := func(name string, keys string) *Report {
		source, err := FromKeyFile(write(t, keys), name)
		if err != nil {
			t.Fatal(err)
		}
		return l.restore(Options{Production: l.production, Recovery: l.recovery, Journal: l.journal, Source: source})
	}
	byLeaf("p_18", "id,y\n3,18\n6,18\n")
	if rows := l.state(l.production)["public.p_18"]; len(rows) != 7 || rows["3\x1f18"] == nil { // five had stayed
		t.Errorf("p_18: %q", rows)
	}
	l.exec("DELETE FROM p WHERE id = 2")
	if r := byLeaf("p_20", "id,y\n2,20\n"); r.Restored != 1 || l.state(l.production)["public.p"]["2\x1f20"] == nil {
		t.Errorf("p_20: %+v", r)
	}
}

// A foreign key that one partition alone has: its rows need their parents, the others' do not.
func TestPartitions_ForeignKeyOfOneAlone(t *testing.T) {
	l := newLab(t, `CREATE TABLE q (id int PRIMARY KEY); CREATE TABLE p (id int, y int, q int, PRIMARY KEY (id, y)) PARTITION BY RANGE (y);
		CREATE TABLE p_18 PARTITION OF p FOR VALUES FROM (18) TO (19); CREATE TABLE p_19 (q int, y int NOT NULL, id int NOT NULL, FOREIGN KEY (q) REFERENCES q ON DELETE CASCADE); ALTER TABLE p ATTACH PARTITION p_19 FOR VALUES FROM (19) TO (20);
		CREATE TABLE p_20 PARTITION OF p FOR VALUES FROM (20) TO (30) PARTITION BY HASH (id); CREATE TABLE p_20a PARTITION OF p_20 FOR VALUES WITH (MODULUS 1, REMAINDER 0); ALTER TABLE p_20 ADD FOREIGN KEY (q) REFERENCES q ON DELETE CASCADE;
		INSERT INTO q SELECT generate_series(1, 30); INSERT INTO p SELECT i, 18 + i % 3, i FROM generate_series(1, 30) i`).backup()
	before := l.state(l.production)
	rows := l.incident("DELETE FROM p WHERE id <= 15")
	l.incident("DELETE FROM q WHERE id <= 6")
	report := l.restore(l.options(rows))
	if c := l.count(report, "p"); c.Restored != 11 || c.ParentGone != 4 {
		t.Errorf("%+v", c)
	}
	o := l.options(rows)
	o.WithParents = true
	if c := l.count(l.restore(o), "p"); c.Restored != 4 || c.AlreadyPresent != 11 {
		t.Errorf("%+v", c)
	}
	l.exec("INSERT INTO q VALUES (3), (6) ON CONFLICT DO NOTHING") // the parents of the first partition's rows: nobody asked for them
	l.is(l.state(l.production), before)
}
