package e2e

import (
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// What the proxy captured in a client's own settings is found again in the
// backup, whatever the key looks like, and comes back as it was.
func TestRestore_KeysOfEveryKind(t *testing.T) {
	s := newShop(t, `CREATE EXTENSION citext; CREATE TYPE "Mo'od" AS ENUM ('a b', '''q', 'x"y\'); CREATE DOMAIN "Dom" AS text CHECK (VALUE <> 'no'); CREATE SCHEMA "Ünï.Sch ema"`,
		`CREATE TABLE "Ünï.Sch ema"."Ta ""b" ("Kéy 'x" text PRIMARY KEY, "user" int GENERATED ALWAYS AS IDENTITY);
		INSERT INTO "Ünï.Sch ema"."Ta ""b" VALUES (''), (E'a\'b"c\\d\n\t\r{},NULL'), ('NULL'), (E'\\N'), (repeat('x', 2000)), ('日本語🙂'), (E'\u0001'), ('\x41'), (' '), ('a ')`,
		`CREATE TABLE b (k bytea, u uuid, PRIMARY KEY (k, u)); INSERT INTO b VALUES ('\x00ff5c27', gen_random_uuid()), ('\x', gen_random_uuid())`,
		`CREATE TABLE t (k timestamptz, d date, n numeric(20,5), e interval, PRIMARY KEY (k, d, n, e));
		INSERT INTO t VALUES ('infinity', '-infinity', 'NaN', '1 mon'), ('0044-03-15 BC', '0001-01-01 BC', -0.00001, '-1 day -00:00:00.000001'), ('2024-02-29 23:59:59.999999+13:45', '294276-12-31', 123456789012345.12345, '30 days')`,
		`CREATE TABLE e (k "Mo'od", d "Dom", c citext, b bool, PRIMARY KEY (k, d, c, b)); INSERT INTO e VALUES ('a b', E'a''b\\', 'ABC', true), ('x"y\', '', 'd', false)`,
		`CREATE TABLE f (k float8, g real, c char(5), b bit(3), PRIMARY KEY (k, g, c, b)); INSERT INTO f VALUES ('NaN', '-0', 'ab', '101'), (0.1, 1e-40, 'abcde', '000'), ('-0', 'infinity', '', '111')`)
	was := s.content()
	id := s.run(`SET extra_float_digits = 0; SET datestyle = 'German'; SET bytea_output = 'escape'; SET intervalstyle = 'sql_standard'; SET timezone = 'Asia/Kathmandu';
		BEGIN; DELETE FROM "Ünï.Sch ema"."Ta ""b"; DELETE FROM b; DELETE FROM t; DELETE FROM e; DELETE FROM f; COMMIT`)
	if r := s.restore(0, id); r.Restored != 20 {
		t.Errorf("%d restored", r.Restored)
	}
	s.is(was)
}

// A parent deleted on purpose afterwards stays gone, unless it is asked for.
func TestRestore_ParentsDeletedUnderAnotherID(t *testing.T) {
	s := newShop(t, `CREATE TABLE g (id int PRIMARY KEY); CREATE TABLE p (id int PRIMARY KEY, g int NOT NULL REFERENCES g ON DELETE CASCADE);
		CREATE TABLE c (id int PRIMARY KEY, p int NOT NULL REFERENCES p ON DELETE CASCADE);
		INSERT INTO g SELECT generate_series(1, 4); INSERT INTO p SELECT i, 1 + i % 4 FROM generate_series(1, 8) i; INSERT INTO c SELECT i, 1 + i % 8 FROM generate_series(1, 32) i`)
	was := s.content()
	for _, c := range []struct {
		name string
		do   func(children, parents string)
	}{
		{"children first", func(children, parents string) {
			if r := s.restore(3, children); r.Restored != 10 || len(r.Unrestored) != 10 {
				t.Errorf("%+v", r)
			}
			s.restore(0, parents)
			s.restore(0, children)
		}},
		{"parents first", func(children, parents string) { s.restore(0, parents); s.restore(0, children) }},
		{"both at once", func(children, parents string) { s.restore(0, children, parents) }},
		{"with parents", func(children, parents string) {
			if r := s.restore(0, children, "--with-parents"); r.Restored != 26 { // 20, their 4 parents, and theirs
				t.Errorf("%+v", r)
			}
			s.restore(0, parents)
		}},
	} {
		c.do(s.run("DELETE FROM c WHERE id <= 20"), s.run("DELETE FROM g WHERE id <= 2"))
		if d := differ(s.content(), was); len(d) > 0 {
			t.Fatalf("%s: %q", c.name, d)
		}
	}
}

// Links that were cut where no key can name the row are said to be lost.
func TestRestore_CutLinksWithoutKeyAreListed(t *testing.T) {
	s := newShop(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE n (p int REFERENCES p ON DELETE SET NULL);
		INSERT INTO p SELECT generate_series(1, 5); INSERT INTO n SELECT generate_series(1, 5)`)
	r := s.restore(3, s.run("DELETE FROM p WHERE id < 3"))
	if r.Restored != 2 || len(r.Unrestored) != 1 || r.Unrestored[0].Table != "n" {
		t.Errorf("%+v", r)
	}
}

// A link of which the deletion cut one column alone belongs to what the others were:
// a row that has moved on since does not get a stranger for a parent.
func TestRestore_LinksCutInPart(t *testing.T) {
	pgtest.Since(t, 15, "ON DELETE SET NULL (columns)")
	s := newShop(t, `CREATE TABLE author (tenant int, id int, PRIMARY KEY (tenant, id)); INSERT INTO author VALUES (1, 7), (2, 7);
		CREATE TABLE post (id int PRIMARY KEY, tenant int, author int, FOREIGN KEY (tenant, author) REFERENCES author ON DELETE SET NULL (author)); INSERT INTO post VALUES (1, 1, 7), (2, 1, 7)`)
	id := s.run("DELETE FROM author WHERE tenant = 1")
	pgtest.Exec(t, s.direct, "UPDATE post SET tenant = 2 WHERE id = 1")
	if r := s.restore(3, id); r.Restored != 1 || len(r.Unrestored) != 1 {
		t.Errorf("%+v", r)
	}
	pgtest.Exec(t, s.direct, `DO $$ BEGIN IF (SELECT array_agg((id, tenant, author)::text ORDER BY id) FROM post) <> ARRAY['(1,2,)', '(2,1,7)'] THEN RAISE '%', (SELECT array_agg(post) FROM post); END IF; END $$`)
}
