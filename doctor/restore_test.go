package doctor

import (
	"strings"
	"testing"

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
	r.expect(t, "privileges", Fail, "GRANT INSERT ON")
	r.expect(t, "triggers", Warn, "session_replication_role")
}

func TestRestore_ConfigurationDoesNotFit(t *testing.T) {
	o := healthy(t)
	o.Restore = &recovery.Config{Tables: []recovery.TableConfig{{Name: "nowhere"}}}
	look(t, o).expect(t, "restore", Fail, "nowhere")
}
