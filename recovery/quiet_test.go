package recovery

import (
	"strings"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// Rows are staged in temporary tables, at which event triggers fire, too: code that is
// not made for another search_path, or that forbids DDL.
func TestQuiet_EventTriggers(t *testing.T) {
	l := newLab(t, twoTables, "CREATE TABLE made (tag text)").backup()
	before := l.state(l.production)
	role := l.role(allGrants...)
	l.exec(`CREATE FUNCTION note() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO made VALUES (tg_tag); RAISE 'no DDL in office hours'; END $$;
		CREATE EVENT TRIGGER watch ON ddl_command_end EXECUTE FUNCTION note()`)
	o := l.options(l.incident("DELETE FROM p"))
	after := l.state(l.production)
	as := o
	as.Production = l.asRole(l.production, role)
	l.refused(as, Unfit, "(watch)", "ALTER EVENT TRIGGER")
	o.Batch = 2
	report := l.restore(o)
	l.is(l.state(l.production), before)
	l.undo(UndoOptions{}, report.Batch)
	l.is(l.state(l.production), after)
	l.exec("SET session_replication_role = replica; ALTER EVENT TRIGGER watch ENABLE ALWAYS")
	l.refused(o, Unfit, "(watch)", "ALTER EVENT TRIGGER")
	l.exec("SET session_replication_role = replica; DROP EVENT TRIGGER watch")
}

// What the role may set is not what its rows are written with where it may not lock parents.
func TestQuiet_TriggersFireWhereParentsCannotBeLocked(t *testing.T) {
	l := newLab(t, twoTables).backup()
	role := l.role("GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA public TO ROLE")
	pgtest.Since(t, 15, "GRANT SET ON PARAMETER")
	l.on(l.production, "GRANT SET ON PARAMETER session_replication_role TO "+role,
		"CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$; CREATE TRIGGER other BEFORE INSERT ON c FOR EACH ROW EXECUTE FUNCTION other()")
	o := l.options(l.incident("DELETE FROM c"))
	o.Production = l.asRole(l.production, role)
	if _, err := Restore(t.Context(), o); err == nil || !strings.Contains(err.Error(), "fired") {
		t.Errorf("the trigger has not fired: %v", err)
	}
	l.on(l.production, "DROP TRIGGER other ON c")
	l.restore(o)
}
