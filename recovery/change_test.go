package recovery

import (
	"context"
	"strings"
	"testing"
)

// none counts the rows of a query, of which there must be none.
func (l *lab) none(what, from string) {
	l.t.Helper()
	n, err := l.side(l.production).number(context.Background(), "SELECT count(*) FROM "+from)
	if err != nil || n != 0 {
		l.t.Errorf("%s: %d, %v", what, n, err)
	}
}

const (
	linked = "CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE q (id int PRIMARY KEY); INSERT INTO p VALUES (0), (1), (2); INSERT INTO q VALUES (0), (1), (2); "
	cutOff = "DELETE FROM p WHERE id IN (1, 2)"
	twice  = "(SELECT x FROM c WHERE x IS NOT NULL GROUP BY x HAVING count(*) > 1) d"

	stated = "CREATE TABLE s (id int PRIMARY KEY); INSERT INTO s VALUES (1), (2), (9); "
	marked = "CREATE TABLE c (id int PRIMARY KEY, email text, state int NOT NULL DEFAULT 0, note text"
)

// changes are restores after which one row of c cannot be as it was: 1 of two, 1 and
// 2, that were cut off their parents or soft-deleted by an UPDATE of state.
var changes = map[string]struct {
	schema string
	soft   string // the UPDATE; "": cutOff
	since  string
	reason string
	wrong  string // FROM item of what must not be there; "": nothing more
}{
	"link, another foreign key over it": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, CONSTRAINT second FOREIGN KEY (x) REFERENCES q); INSERT INTO c VALUES (1, 1), (2, 2)`,
		"", "DELETE FROM q WHERE id = 1", "its parent public.q (id) = (1) is not there", "c LEFT JOIN q ON q.id = c.x WHERE c.x IS NOT NULL AND q.id IS NULL"},
	"link, unique": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int UNIQUE REFERENCES p ON DELETE SET NULL); INSERT INTO c VALUES (1, 1), (2, 2)`,
		"", "INSERT INTO p VALUES (1); INSERT INTO c VALUES (9, 1)", "another row holds its value in c_x_key", twice},
	"link, unique and deferrable": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int UNIQUE DEFERRABLE INITIALLY DEFERRED REFERENCES p ON DELETE SET NULL); INSERT INTO c VALUES (1, 1), (2, 2)`,
		"", "INSERT INTO p VALUES (1); INSERT INTO c VALUES (9, 1)", "another row holds its value in c_x_key", twice},
	"link, excluded": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, EXCLUDE USING btree (x WITH =)); INSERT INTO c VALUES (1, 1), (2, 2)`,
		"", "INSERT INTO p VALUES (1); INSERT INTO c VALUES (9, 1)", "another row holds its value in c_x_excl", twice},
	"link, unique with another that is given back": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, y int REFERENCES p ON DELETE SET NULL); INSERT INTO c VALUES (1, 1, 1), (2, 2, 2)`,
		"", "INSERT INTO p VALUES (1); UPDATE c SET y = 1 WHERE id = 1; INSERT INTO c VALUES (9, 1, 1); CREATE UNIQUE INDEX both_ ON c (x, y)", "another row holds its value in both_", "c WHERE id = 1 AND x IS NOT NULL"},
	"link, a unique column made of it": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, ten int GENERATED ALWAYS AS (x * 10) STORED UNIQUE); INSERT INTO c (id, x) VALUES (1, 1), (2, 2)`,
		"", "INSERT INTO p VALUES (1); INSERT INTO c (id, x) VALUES (9, 1)", "another row holds its value in c_ten_key", ""},
	"link, CHECK": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, closed bool DEFAULT false, CONSTRAINT open_ CHECK (x IS NULL OR NOT closed)); INSERT INTO c VALUES (1, 1), (2, 2)`,
		"", "UPDATE c SET closed = true WHERE id = 1", "it would break its CHECK constraint open_", ""},
	"link, CHECK of something else that rows of before break": {
		linked + `CREATE TABLE c (id int PRIMARY KEY, x int REFERENCES p ON DELETE SET NULL, v int); INSERT INTO c VALUES (1, 1, -1), (2, 2, 1)`,
		"", "ALTER TABLE c ADD CONSTRAINT later CHECK (v > 0) NOT VALID", "it would break its CHECK constraint later", ""},
	"soft delete, a parent": {
		stated + marked + `, FOREIGN KEY (state) REFERENCES s); INSERT INTO c VALUES (1, 'a', 1), (2, 'b', 2)`,
		"UPDATE c SET state = 9", "DELETE FROM s WHERE id = 1", "its parent public.s (id) = (1) is not there", "c LEFT JOIN s ON s.id = c.state WHERE s.id IS NULL"},
	"soft delete, unique": {
		marked + `); CREATE UNIQUE INDEX there ON c (email) WHERE state = 0; INSERT INTO c VALUES (1, 'a'), (2, 'b')`,
		"UPDATE c SET state = 9", "INSERT INTO c VALUES (3, 'a')", "another row holds its value in there", ""},
	"soft delete, unique and deferrable": {
		marked + `, UNIQUE (email, state) DEFERRABLE INITIALLY DEFERRED); INSERT INTO c VALUES (1, 'a'), (2, 'b')`,
		"UPDATE c SET state = id", "INSERT INTO c VALUES (3, 'a')", "another row holds its value in c_email_state_key", "(SELECT FROM c GROUP BY email, state HAVING count(*) > 1) d"},
	"soft delete, unique among those set back": {
		marked + `); INSERT INTO c VALUES (1, 'a'), (2, 'a')`,
		"UPDATE c SET state = id", "CREATE UNIQUE INDEX there ON c (email, state)", "another row holds its value in there", ""},
	"soft delete, CHECK": {
		marked + `); INSERT INTO c VALUES (1, 'a'), (2, 'b')`,
		"UPDATE c SET state = 9", "ALTER TABLE c ADD CONSTRAINT later CHECK (state > 0 OR id > 1)", "it would break its CHECK constraint later", ""},
	"soft delete, NOT NULL": {
		`CREATE TABLE c (id int PRIMARY KEY, state int); INSERT INTO c VALUES (1, NULL), (2, 0)`,
		"UPDATE c SET state = 9", "ALTER TABLE c ALTER state SET NOT NULL", "its column state takes no NULL", ""},
	"soft delete, children of what it is now": {
		marked + `, UNIQUE (email, state)); CREATE TABLE k (id int PRIMARY KEY, email text, state int, FOREIGN KEY (email, state) REFERENCES c (email, state)); INSERT INTO c VALUES (1, 'a'), (2, 'b')`,
		"UPDATE c SET state = 9", "INSERT INTO k VALUES (1, 'a', 9)", "rows of public.k refer to what it holds now", "k LEFT JOIN c USING (email, state) WHERE c.id IS NULL"},
}

// Where production does not take a live row as it was, by whatever rule, the row
// stays and is listed, and the others are mended all the same.
func TestChange_RowsThatCannotBeAsTheyWereAreListed(t *testing.T) {
	for name, c := range changes {
		for _, who := range []string{"superuser", "ordinary role"} {
			t.Run(name+", "+who, func(t *testing.T) {
				l := newLab(t, c.schema).backup()
				before, id := l.state(l.production), ""
				if c.soft == "" {
					id = l.incident(cutOff)
				} else {
					id = l.softly(c.soft, "c", "state")
				}
				l.exec(c.since)
				o := l.options(id)
				if who != "superuser" {
					o.Production = l.asRole(l.production, l.role(allGrants...))
				}
				dry := o
				dry.DryRun = true
				plan := l.restore(dry)
				report := l.restore(o)
				for _, r := range []*Report{plan, report} {
					count := l.count(r, "c")
					if len(r.Unrestored) != 1 || !strings.Contains(r.Unrestored[0].Reason, c.reason) || c.soft != "" && (count.Conflicts != 1 || count.Unmarked != 1) {
						t.Errorf("%+v, %+v", count, r.Unrestored)
					}
				}
				now := l.state(l.production)["public.c"]
				same := 0
				for _, k := range []string{"1", "2"} {
					if x, was := now[k], before["public.c"][k]; x["x"] == was["x"] && x["state"] == was["state"] {
						same++
					}
				}
				if same != 1 {
					t.Errorf("%d rows are as they were, of 1: %v", same, now)
				}
				if c.wrong != "" {
					l.none("rows that must not be there", c.wrong)
				}
			})
		}
	}
}

// The same with what the restore itself inserts: rows go before links.
func TestChange_LinkThatARestoredRowHolds(t *testing.T) {
	l := newLab(t, linked+`CREATE TABLE c (id int PRIMARY KEY, x int UNIQUE REFERENCES p ON DELETE SET NULL); INSERT INTO c VALUES (1, 1), (2, 2)`).backup()
	cut := l.incident(cutOff)
	l.exec("INSERT INTO p VALUES (1)", "INSERT INTO c VALUES (9, 1)")
	gone := l.imaged(nil, "DELETE FROM c WHERE id = 9")
	report := l.restore(l.options(cut, gone))
	if c := l.count(report, "c"); c.Restored != 1 || c.Relinked != 1 || len(report.Unrestored) != 1 || !strings.Contains(report.Unrestored[0].Reason, "another row holds its value in c_x_key") {
		t.Errorf("%+v, %+v", c, report.Unrestored)
	}
}

// What an undo would change back and cannot, it keeps and lists.
func TestChange_UndoKeepsWhatCannotBeAsItWas(t *testing.T) {
	for name, c := range map[string]struct{ schema, soft, since, reason, wrong string }{
		"soft delete, a parent": {
			stated + marked + `, FOREIGN KEY (state) REFERENCES s); INSERT INTO c VALUES (1, 'a', 1), (2, 'b', 2)`,
			"UPDATE c SET state = CASE id WHEN 1 THEN 9 ELSE 1 END", "DELETE FROM s WHERE id = 9", "left without the mark: its parent public.s (id) = (9) is not there", "c LEFT JOIN s ON s.id = c.state WHERE s.id IS NULL"},
		"link, a parent": {
			linked + `CREATE TABLE c (id int PRIMARY KEY, x int DEFAULT 0 REFERENCES p ON DELETE SET DEFAULT, y int REFERENCES p ON DELETE SET NULL); INSERT INTO c VALUES (1, 1, 1), (2, 2, 2)`,
			"", "DELETE FROM p WHERE id = 0; UPDATE c SET x = 1, y = NULL WHERE id = 1", "its link is not cut again: its parent public.p (id) = (0) is not there", "c LEFT JOIN p ON p.id = c.x WHERE p.id IS NULL"},
		"link, unique": {
			linked + `CREATE TABLE c (id int PRIMARY KEY, x int DEFAULT 0 REFERENCES p ON DELETE SET DEFAULT); INSERT INTO c VALUES (1, 1)`,
			"", "INSERT INTO c VALUES (9, 0); CREATE UNIQUE INDEX later ON c (x)", "its link is not cut again: another row holds its value in later", "(SELECT FROM c GROUP BY x HAVING count(*) > 1) d"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, c.schema).backup()
			id := ""
			if c.soft == "" {
				id = l.incident(cutOff)
			} else {
				id = l.softly(c.soft, "c", "state")
			}
			report := l.restore(l.options(id))
			l.exec(c.since)
			undo := l.undo(UndoOptions{}, report.Entry)
			found := false
			for _, k := range undo.Kept {
				found = found || strings.Contains(k.Reason, c.reason)
			}
			if !found {
				t.Errorf("%+v", undo.Kept)
			}
			l.none("rows that must not be there", c.wrong)
		})
	}
}
