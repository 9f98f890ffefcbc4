package recovery

import (
	"bytes"
	"strings"
	"testing"
)

// Of a row that a live one keeps out it is said which that is, and what to do; of what hangs
// on it nobody is sent to ask for the parent, which was asked for.
func TestConflict_SaysWhichRowAndWhatToDo(t *testing.T) {
	l := newLab(t, `CREATE TABLE customers (id int PRIMARY KEY, email text UNIQUE, boss int REFERENCES customers ON DELETE CASCADE);
		CREATE TABLE orders (id int PRIMARY KEY, customer int REFERENCES customers ON DELETE CASCADE);
		CREATE TABLE payments (id int PRIMARY KEY, o int REFERENCES orders ON DELETE CASCADE);
		INSERT INTO customers VALUES (1, 'a', NULL), (2, 'b', 1), (3, 'c', NULL); INSERT INTO orders VALUES (1, 1), (2, 3); INSERT INTO payments VALUES (1, 1)`).backup()
	id := l.incident("DELETE FROM customers")
	l.exec("INSERT INTO customers VALUES (9, 'a', NULL)")
	report := l.restore(l.options(id))
	said := reasons(report)
	for row, want := range map[string]string{
		`customers {"id":1}`: "another live row holds its value in customers_email_key: (id) = (9)",
		`customers {"id":2}`: "its parent public.customers (id) = (1) stays out, too",
		`orders {"id":1}`:    "its parent public.customers (id) = (1) stays out, too",
		`payments {"id":1}`:  "its parent public.orders (id) = (1) stays out, too",
	} {
		if said[row] != want {
			t.Errorf("%s: %q, want %q", row, said[row], want)
		}
	}
	var text bytes.Buffer
	report.WriteText(&text)
	for _, want := range []string{"customers, 1 row: another live row holds its value in customers_email_key; to give them another, in the configuration: restore: {tables: {public.customers: {columns: {email: SQL}}}}\n",
		`      {"id":1}: another live row holds its value in customers_email_key: (id) = (9)` + "\n"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, &text)
		}
	}
	o := l.options(id)
	o.Config = &Config{Tables: []TableConfig{{Name: "customers", Columns: map[string]string{"email": "CASE id WHEN 1 THEN email || '.restored' ELSE email END"}}}}
	if again := l.restore(o); !again.Complete() || again.Restored != 4 {
		t.Errorf("%+v", reasons(again))
	}
}

// What hangs on parents that nobody asked for can be had with them, down to the last.
func TestConflict_ParentsThatCanBeHadAreOffered(t *testing.T) {
	l := newLab(t, `CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p int REFERENCES p); CREATE TABLE g (id int PRIMARY KEY, c int REFERENCES c);
		INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1); INSERT INTO g VALUES (1, 1)`).backup()
	id := l.incident("DELETE FROM g; DELETE FROM c")
	l.exec("DELETE FROM p")
	for row, why := range reasons(l.restore(l.options(id))) {
		if !strings.HasSuffix(why, " is gone or stays out; --with-parents brings it back if the recovery database has it") {
			t.Errorf("%s: %s", row, why)
		}
	}
	o := l.options(id)
	o.WithParents = true
	if report := l.restore(o); !report.Complete() || report.Restored != 3 {
		t.Errorf("%+v", reasons(report))
	}
}
