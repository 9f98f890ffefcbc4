package recovery

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/rowback/rowback/journal"
)

// shop has a parent that stays, cascades two levels deep, a tree, a composite
// key, a unique column, cut links, identity and serial columns, and types whose
// text or image is easily damaged.
const shop = `
	CREATE TABLE customers (id int PRIMARY KEY GENERATED ALWAYS AS IDENTITY, email text UNIQUE, note text DEFAULT 'none');
	CREATE TABLE orders (id bigserial PRIMARY KEY, customer_id int NOT NULL REFERENCES customers, code text UNIQUE,
		total numeric, twice numeric GENERATED ALWAYS AS (total * 2) STORED, at timestamptz, data json, f float8, b bytea);
	CREATE TABLE payments (id serial PRIMARY KEY, order_id bigint NOT NULL REFERENCES orders ON DELETE CASCADE, amount numeric(12,2));
	CREATE TABLE refunds (order_id bigint, line int, payment_id int REFERENCES payments ON DELETE CASCADE, PRIMARY KEY (order_id, line));
	CREATE TABLE notes (id int PRIMARY KEY, order_id bigint REFERENCES orders ON DELETE SET NULL, body text);
	CREATE TABLE "Od""d Name" ("Id" uuid PRIMARY KEY, "parent id" uuid REFERENCES "Od""d Name" ON DELETE CASCADE, order_id bigint REFERENCES orders ON DELETE CASCADE);
	INSERT INTO customers (email) SELECT 'c' || i || '@x' FROM generate_series(1, 20) i;
	INSERT INTO orders (customer_id, code, total, at, data, f, b)
		SELECT 1 + i % 20, 'o' || i, CASE i % 5 WHEN 0 THEN 'NaN' WHEN 1 THEN 1.50 ELSE i END, '2024-01-01'::timestamptz + i * '1 h 1 ms'::interval,
		       ('{"a":  ' || i || ', "a": "\u00e9''"}')::json, CASE i % 3 WHEN 0 THEN '-0' WHEN 1 THEN 'Infinity' ELSE 0.1::float8 + i END, decode(lpad(to_hex(i), 4, '0'), 'hex')
		FROM generate_series(1, 200) i;
	INSERT INTO payments (order_id, amount) SELECT 1 + i % 200, i FROM generate_series(1, 500) i;
	INSERT INTO refunds SELECT 1 + i % 200, i, 1 + i % 500 FROM generate_series(1, 300) i;
	INSERT INTO notes SELECT i, CASE WHEN i % 7 > 0 THEN 1 + i % 200 END, E'tab\t, back\\slash, "quote", \x01' FROM generate_series(1, 300) i;
	INSERT INTO "Od""d Name" SELECT md5(i::text)::uuid, CASE WHEN i > 1 THEN md5((i / 2)::text)::uuid END, 1 + i % 200 FROM generate_series(1, 100) i`

func TestRestore_BringsBackExactlyTheIncident(t *testing.T) {
	for _, who := range []string{"superuser", "ordinary role"} {
		t.Run(who, func(t *testing.T) {
			l := newLab(t, shop).backup()
			l.exec("DELETE FROM orders WHERE id % 10 = 9") // lawful, and not to come back
			before := l.state(l.production)
			id := l.incident("DELETE FROM orders WHERE id % 4 = 1")
			o := l.options(id)
			if who != "superuser" {
				role := l.role(allGrants...)
				o.Production, o.Recovery = l.asRole(l.production, role), l.asRole(l.recovery, role)
			}
			report := l.restore(o)
			l.is(l.state(l.production), before)
			if !report.Complete() || report.Restored == 0 || l.count(report, "notes").Relinked == 0 {
				t.Errorf("report: %+v", report)
			}
			if quiet := report.plan.Quiet; quiet != (who == "superuser") {
				t.Errorf("triggers quiet: %v", quiet)
			}
			again := l.restore(l.options(id))
			if again.Restored != 0 || !again.Complete() || l.count(again, "orders").AlreadyPresent != l.count(report, "orders").Restored {
				t.Errorf("the second restore: %+v", again)
			}
			l.is(l.state(l.production), before)
		})
	}
}

func TestRestore_LeavesEvidence(t *testing.T) {
	l := newLab(t, shop).backup()
	id := l.incident("DELETE FROM orders WHERE id < 20")
	report := l.restore(l.options(id))
	e, err := l.journal.Entry(context.Background(), report.Entry)
	if err != nil {
		t.Fatal(err)
	}
	if e.Kind != journal.Restore || e.Outcome != journal.Committed || e.Rows != report.Restored || len(e.Restores) != 1 || e.Restores[0] != id || e.XID == "" {
		t.Errorf("entry: %+v", e)
	}
	n := map[string]int64{}
	for row, err := range l.journal.Rows(context.Background(), e.ID) {
		if err != nil {
			t.Fatal(err)
		}
		n[e.Tables[row.Table].Name]++
	}
	for _, c := range report.Tables {
		if n[c.Table] != c.Restored+c.Relinked {
			t.Errorf("%s: %d keys on record, %d rows restored, %d re-linked", c.Table, n[c.Table], c.Restored, c.Relinked)
		}
	}
}

func TestRestore_DryRunLeavesNoTrace(t *testing.T) {
	l := newLab(t, shop).backup()
	id := l.incident("DELETE FROM orders WHERE id < 100")
	before := l.state(l.production)
	o := l.options(id)
	o.DryRun = true
	report := l.restore(o)
	l.is(l.state(l.production), before)
	if !report.DryRun || report.Restored == 0 || report.Entry != "" {
		t.Errorf("report: %+v", report)
	}
	for e, err := range l.journal.Entries(context.Background(), journal.Filter{Kind: journal.Restore}) {
		t.Errorf("a dry run left %+v, %v", e, err)
	}
	var text bytes.Buffer
	report.WriteText(&text)
	for _, want := range []string{id, "public.orders", "99", "to restore", "Dry run", "public.customers"} {
		if strings.Contains(text.String(), want) == (want == "public.customers") {
			t.Errorf("the plan, and %q:\n%s", want, text.String())
		}
	}
	if real := l.restore(l.options(id)); real.Restored != report.Restored {
		t.Errorf("planned %d, restored %d", report.Restored, real.Restored)
	}
}

func TestRestore_AsksWithThePlan(t *testing.T) {
	l := newLab(t, shop).backup()
	id := l.incident("DELETE FROM orders WHERE id < 100")
	before := l.state(l.production)
	o := l.options(id)
	var planned int64
	answer := false
	o.Confirm = func(_ context.Context, p *Plan) (bool, error) { planned = p.Restored; return answer, nil }
	if _, err := Restore(context.Background(), o); err != ErrDeclined {
		t.Fatalf("declined: %v", err)
	}
	l.is(l.state(l.production), before)
	answer = true
	if report := l.restore(o); report.Restored != planned || planned == 0 {
		t.Errorf("planned %d, restored %d", planned, report.Restored)
	}
}

func TestReport_JSONIsAsTheContractSays(t *testing.T) {
	l := newLab(t, shop).backup()
	id := l.incident("DELETE FROM orders WHERE id < 20")
	l.exec("INSERT INTO orders (id, customer_id, code) VALUES (3, 1, 'other')")
	report := l.restore(l.options(id))
	var b bytes.Buffer
	if err := report.WriteJSON(&b); err != nil {
		t.Fatal(err)
	}
	var o map[string]any
	if err := json.Unmarshal(b.Bytes(), &o); err != nil {
		t.Fatal(err)
	}
	for _, k := range []string{"ids", "tables", "restored", "unrestored", "checks", "sequences", "seconds", "dry_run"} {
		if o[k] == nil {
			t.Errorf("no %q in %s", k, b.String())
		}
	}
	u := o["unrestored"].([]any)
	if first := u[0].(map[string]any); len(u) != 1 || first["table"] != "orders" || first["key"].(map[string]any)["id"] != 3.0 || first["reason"] == "" {
		t.Errorf("unrestored: %v", u)
	}
	c := o["tables"].([]any)[0].(map[string]any)
	for _, k := range []string{"schema", "table", "requested", "restored", "already_present", "different", "conflicts", "missing_in_backup", "relinked"} {
		if c[k] == nil {
			t.Errorf("no %q in %v", k, c)
		}
	}
}
