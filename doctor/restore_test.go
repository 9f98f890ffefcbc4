package doctor

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/internal/pgtest"
	"github.com/rowback/rowback/recovery"
)

func TestRestore_TablesThatWouldFail(t *testing.T) {
	o := own(t)
	pgtest.Exec(t, o.Production, `CREATE TABLE newer (id int PRIMARY KEY); CREATE TABLE bare (v int); ALTER TABLE payments ADD must int NOT NULL`)
	pgtest.Exec(t, o.Recovery, `CREATE TABLE bare (v int); ALTER TABLE orders ADD dropped int`)
	r := look(t, o)
	r.expect(t, "tables", Fail, "newer")
	r.expect(t, "tables", Fail, "must")
	r.expect(t, "tables", Warn, "bare")
	r.expect(t, "columns", Warn, "dropped")
}

// Where rules keep whole rows, there are images.
func TestRestore_TablesWhoseRowsAreKept(t *testing.T) {
	o := own(t)
	pgtest.Exec(t, o.Production, `CREATE TABLE newer (id int PRIMARY KEY); CREATE TABLE batched (id int PRIMARY KEY); CREATE TABLE bare (v int)`)
	o.Policy.Default.Capture = policy.CaptureRows
	for status, says := range map[Status]string{Note: "3 tables of production not in the recovery database: removed rows come back from their images", OK: "can be restored into"} {
		look(t, o).expect(t, "tables", status, says)
	}

	keys := policy.Base()
	keys.Capture, keys.Match = policy.CaptureKeys, policy.Match{Users: []string{"batch"}, Tables: []string{"batched"}}
	o.Policy.Rules = []policy.Rule{keys}
	r := look(t, o)
	r.expect(t, "tables", Note, "newer")
	r.expect(t, "tables", Warn, "batched")

	pgtest.Exec(t, o.Recovery, `CREATE TABLE bare (v int)`)
	look(t, o).expect(t, "tables", Note, "1 table without an identity key: removed rows come back from their images")

	o.Recovery = ""
	look(t, o).expect(t, "recovery", Warn, "batched, of some users")
	o.Policy.Rules = nil
	look(t, o).expect(t, "recovery", Note, "no recovery database is configured: removed rows come back from their images")
	o.Policy.Default.Capture = policy.CaptureKeys
	look(t, o).expect(t, "recovery", Warn, "rowback backup load")
}

func TestRestore_NoTables(t *testing.T) {
	o := own(t)
	pgtest.Exec(t, o.Production, "DROP TABLE orders, payments")
	look(t, o).expect(t, "tables", Warn, "no tables")
}

func TestRestore_TriggersAndPrivileges(t *testing.T) {
	o := own(t)
	pgtest.Exec(t, o.Production, `CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
		CREATE TRIGGER loud AFTER INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f(); ALTER TABLE orders ENABLE ALWAYS TRIGGER loud;`)
	look(t, o).expect(t, "triggers", Warn, "loud on")

	server := pgtest.Shared(t).URL("postgres")
	pgtest.Exec(t, server, "CREATE ROLE patient LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, server, "DROP ROLE patient") })
	o.Production = strings.Replace(o.Production, "postgres@", "patient@", 1)
	r := look(t, o)
	r.expect(t, "privileges", Fail, "GRANT SELECT, INSERT ON")
	r.expect(t, "privileges", Fail, "name a role for restores in production")
	r.expect(t, "triggers", Warn, "session_replication_role")

	// Where production lets it do everything, another role for production is no mend.
	o = own(t)
	o.Recovery = strings.Replace(o.Recovery, "postgres@", "patient@", 1)
	look(t, o).expect(t, "privileges", Fail, "run these statements in the recovery database")
}

func TestRestore_ConfigurationDoesNotFit(t *testing.T) {
	o := healthy(t)
	o.Restore = &recovery.Config{Tables: []recovery.TableConfig{{Name: "nowhere"}}}
	look(t, o).expect(t, "restore", Fail, "nowhere")
}

// The guard's own tables are nobody's to restore, and it is looked at itself.
func TestProtection_IsLookedAt(t *testing.T) {
	o := own(t)
	look(t, o).expect(t, "around the proxy", Note, "nothing is installed")
	conn, err := pgx.Connect(t.Context(), o.Production)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := protect.Install(t.Context(), conn, protect.InstallOptions{Tables: []string{"orders"}, Defaults: protect.Limits{Threshold: 10, Mode: protect.Block}}); err != nil {
		t.Fatal(err)
	}
	r := look(t, o)
	r.expect(t, "tables", OK, "")
	r.expect(t, "around the proxy", OK, "triggers on 2 tables")
	r.expect(t, "around the proxy", OK, "leave to the proxy")
	pgtest.Exec(t, o.Production, "ALTER TABLE payments DISABLE TRIGGER rowback_block")
	server := pgtest.Shared(t).URL("postgres")
	pgtest.Exec(t, server, "CREATE ROLE controller LOGIN")
	t.Cleanup(func() { pgtest.Exec(t, server, "DROP ROLE controller") })
	o.Upstream = strings.Replace(o.Upstream, "postgres@", "controller@", 1)
	r = look(t, o)
	r.expect(t, "around the proxy", Warn, "payments: trigger rowback_block is disabled")
	r.expect(t, "around the proxy", Warn, "--proxy-role controller")
	o.Control = false
	look(t, o).expect(t, "around the proxy", Warn, "no control connection")

	// Triggers that were taken off count nothing, beside the proxy or elsewhere.
	if _, err := protect.Remove(t.Context(), conn, protect.RemoveOptions{Tables: []string{"orders"}}); err != nil {
		t.Fatal(err)
	}
	for _, o.Control = range []bool{true, false} {
		r = look(t, o)
		r.expect(t, "around the proxy", Note, "no table has triggers")
		for _, c := range r.Checks {
			if c.Name == "around the proxy" && c.Status != Note {
				t.Errorf("%v: %s", c.Status, c.Seen)
			}
		}
	}
}
