package protect_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
)

var ctx = context.Background()

func TestTicket_LetsTheProxyDecideInThisSessionOnly(t *testing.T) {
	l := newLab(t, shop)
	l.install(protect.InstallOptions{Tables: []string{"orders"}, Threshold: 10})
	user := l.role("")
	l.exec("GRANT ALL ON ALL TABLES IN SCHEMA public TO " + user)
	control := l.role("")
	l.install(protect.InstallOptions{Proxy: control})
	if p := l.install(protect.InstallOptions{Proxy: control}); len(p.SQL) > 0 {
		t.Errorf("granted twice: %q", p.SQL)
	}
	secret, ok, err := protect.Secret(ctx, catalog.FromConn(l.connect(control)))
	if err != nil || !ok || len(secret) != 64 {
		t.Fatalf("%v %v", ok, err)
	}
	c := l.connect(user)
	ticket := protect.Ticket(secret, query(t, c, "SELECT "+protect.SessionSQL)[0])
	with := func(ticket, sql string) error {
		return try(c, "BEGIN; SELECT "+protect.SetTicket(ticket)+"; "+sql+"; ROLLBACK")
	}
	for _, sql := range []string{"DELETE FROM orders", "TRUNCATE refunds", "TRUNCATE orders, refunds, payments, audit_logs"} {
		if err := with(ticket, sql); err != nil {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := query(t, c, "BEGIN; SELECT "+protect.SetTicket(ticket)+"; DELETE FROM refunds WHERE id = 1; SELECT "+protect.SetTicket("")+"; DELETE FROM refunds WHERE id = 2; COMMIT; SELECT current_setting('rowback.ticket')"); got[len(got)-1] != "" {
		t.Errorf("the ticket outlives its transaction: %q", got)
	}
	equal(t, "evidence", l.evidence(), []string{"public.refunds direct 1 1"})
	refused(t, try(c, "DELETE FROM orders"), "limit 10")

	// In another session of the same user, at the same moment, it is worth nothing; nor is what a client can make up.
	other := l.connect(user)
	for _, forged := range []string{ticket, protect.Ticket("", "1 1"), protect.Ticket("guess", query(t, other, "SELECT "+protect.SessionSQL)[0]), strings.ToUpper(ticket), strings.Repeat("0", 64), "t", "on"} {
		refused(t, try(other, "SET rowback.ticket = '"+forged+"'; DELETE FROM orders"), "limit 10")
	}
	// Nor can it read the secret, or what makes a ticket.
	for _, sql := range []string{"SELECT * FROM rowback.secret", "SELECT rowback.guard_ticket()"} {
		if err := try(other, sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	l.install(protect.InstallOptions{NewSecret: true})
	refused(t, with(ticket, "DELETE FROM orders"), "limit 10")
	if err := try(c, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	if protect.Ticket(secret, "123 ") != "" || protect.Ticket("", "1 1") != "" {
		t.Error("a ticket for half a session")
	}
}

func TestSecret_WhereNothingIsInstalled(t *testing.T) {
	l := newLab(t)
	if _, ok, err := protect.Secret(ctx, catalog.FromConn(l.conn)); ok || err != nil {
		t.Errorf("%v %v", ok, err)
	}
	l.exec("CREATE TABLE a (id int)")
	l.install(protect.InstallOptions{All: true})
	if _, _, err := protect.Secret(ctx, catalog.FromConn(l.connect(l.role("")))); err == nil {
		t.Error("anybody may read the secret")
	}
}

// Ordinary roles can do nothing to the evidence, also where default privileges
// would let them; and theirs are counted all the same.
func TestEvidence_IsOutOfReach(t *testing.T) {
	l := newLab(t, shop)
	user := l.role("")
	l.exec("ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO "+user, "ALTER DEFAULT PRIVILEGES GRANT ALL ON FUNCTIONS TO "+user,
		"ALTER DEFAULT PRIVILEGES GRANT ALL ON SEQUENCES TO "+user, "ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO "+user, "GRANT ALL ON ALL TABLES IN SCHEMA public TO "+user, "GRANT CREATE ON SCHEMA public TO "+user)
	l.install(protect.InstallOptions{Tables: []string{"orders"}})
	c := l.connect(user)
	if err := try(c, "DELETE FROM orders WHERE id = 1; TRUNCATE audit_logs"); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{
		"DELETE FROM rowback.evidence", "TRUNCATE rowback.evidence_key", "UPDATE rowback.evidence SET collected = '{x}'", "SELECT * FROM rowback.evidence_key",
		"INSERT INTO rowback.evidence_key VALUES (1, '{x}')", "DROP SCHEMA rowback CASCADE", "CREATE TABLE rowback.x (id int)", "SELECT rowback.guard_note(1, '', 1, 1, '', '', '', '{}', '')",
		"CREATE TABLE mine (id int); CREATE TRIGGER t AFTER TRUNCATE ON mine EXECUTE FUNCTION rowback.guard_end()", "ALTER TABLE refunds DISABLE TRIGGER ALL",
		"SET session_replication_role = replica", "SELECT * FROM rowback.version", "SELECT nextval('rowback.evidence_id_seq')",
	} {
		if err := try(c, sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: %v", sql, err)
		}
	}
	if got := l.query("SELECT count(*), sum(removed), min(username) FROM rowback.evidence"); got[0] != "5|505|"+user {
		t.Errorf("%v", got)
	}
}

// Code of a user's cannot be made to run with the rights of the guard's owner:
// not by a cast of a type of theirs, not by an operator or a function in a
// schema of theirs.
func TestTriggers_RunNoCodeOfTheirUsers(t *testing.T) {
	l := newLab(t)
	user := l.role("")
	l.exec("GRANT CREATE ON SCHEMA public TO "+user, "GRANT CREATE ON DATABASE "+l.name+" TO "+user)
	c := l.connect(user)
	if err := try(c, `CREATE TABLE trace (who text); CREATE TYPE mood AS ENUM ('a', 'b');
		CREATE FUNCTION spy(mood) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.trace VALUES (current_user); RETURN 'x'; END $$;
		CREATE CAST (mood AS text) WITH FUNCTION spy(mood);
		CREATE FUNCTION public.concat(anyelement) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.trace VALUES (current_user); RETURN 'x'; END $$;
		CREATE FUNCTION public.set_config(text, text, boolean) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.trace VALUES (current_user); RETURN 'x'; END $$;
		CREATE TABLE moods (m mood PRIMARY KEY); INSERT INTO moods VALUES ('a'), ('b')`); err != nil {
		t.Fatal(err)
	}
	l.install(protect.InstallOptions{Tables: []string{"moods"}})
	if err := try(c, "SET search_path = public, pg_catalog; DELETE FROM moods WHERE m = 'a'; TRUNCATE moods"); err != nil {
		t.Fatal(err)
	}
	equal(t, "who ran a user's code", l.query("SELECT who FROM trace"), nil)
	equal(t, "keys", l.query("SELECT keys FROM rowback.evidence_key ORDER BY 1"), []string{"{{a}}", "{{b}}"})
}

// A role that owns the tables and may create a schema needs no more.
func TestInstall_ByTheOwnerOfTheTables(t *testing.T) {
	l := newLab(t)
	owner := l.role("")
	l.exec("GRANT CREATE ON SCHEMA public TO "+owner, "CREATE TABLE foreign_one (id int PRIMARY KEY)")
	c := l.connect(owner)
	if err := try(c, "CREATE TABLE own (id int PRIMARY KEY); INSERT INTO own SELECT generate_series(1, 20)"); err != nil {
		t.Fatal(err)
	}
	o := protect.InstallOptions{Tables: []string{"own"}, Defaults: protect.Limits{Threshold: 10, Mode: protect.Block}}
	denied := func(what string, err error) {
		t.Helper()
		var d *protect.DeniedError
		if !errors.As(err, &d) || !strings.Contains(err.Error(), what) {
			t.Errorf("%v, want a refusal with %q", err, what)
		}
	}
	_, err := protect.Install(ctx, c, o)
	denied("may not create schemas", err)
	l.exec("GRANT CREATE ON DATABASE " + l.name + " TO " + owner)
	with := o
	with.Drops = protect.DropsOn
	_, err = protect.Install(ctx, c, with)
	denied("only a superuser may create event triggers", err)
	with = o
	with.Tables = []string{"own", "foreign_one"}
	_, err = protect.Install(ctx, c, with)
	denied("does not own public.foreign_one", err)
	p, err := protect.Install(ctx, c, o)
	if err != nil || len(p.Notes) != 2 || !strings.Contains(p.Notes[0], "DROP is not watched") || !strings.Contains(p.Notes[1], "pg_read_all_stats") {
		t.Fatalf("%+v, %v", p, err)
	}
	refused(t, try(c, "DELETE FROM own"), "20 rows (own 20), limit 10")
	_, err = protect.Install(ctx, l.conn, o)
	denied("schema rowback belongs to role "+owner, err)
	_, err = protect.Remove(ctx, l.conn, protect.RemoveOptions{All: true})
	denied("schema rowback belongs to role "+owner, err)
	stranger := l.connect(l.role(""))
	s, err := protect.ReadStatus(ctx, stranger, nil)
	if err != nil || !s.OK() || !s.Installed || s.Tickets || len(s.Tables) != 1 {
		t.Errorf("%+v, %v", s, err)
	}
	if _, err := protect.Remove(ctx, c, protect.RemoveOptions{All: true, Purge: true}); err != nil {
		t.Fatal(err)
	}
}
