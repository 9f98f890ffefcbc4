package guard_test

import "testing"

// What deferred triggers removed cannot be counted: the COMMIT has failed, and ends its
// block, also where an error has left something of rowback's own in it.
func TestDeferred_ThatCannotBeCounted(t *testing.T) {
	for name, m := range modes {
		for _, savepoint := range []string{"SELECT 1", "SAVEPOINT a"} {
			t.Run(name+"/"+savepoint, func(t *testing.T) {
				e := newEnv(t, blockPolicy(), shop, `REVOKE EXECUTE ON FUNCTION pg_catalog.pg_stat_get_xact_tuples_deleted(oid) FROM PUBLIC;
					CREATE FUNCTION late() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN DELETE FROM tree WHERE id = 31; PERFORM set_config('role', 'pg_monitor', true); RETURN NULL; END$$;
					CREATE CONSTRAINT TRIGGER t AFTER DELETE ON plain DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION late()`)
				before := e.keys()
				c := e.connect(m)
				for _, sql := range []string{"BEGIN", savepoint, "DELETE FROM plain WHERE id = 1"} {
					mustExec(t, c, sql)
				}
				_, err := c.Exec(t.Context(), "COMMIT")
				wantState(t, err, "42501")
				wantStatus(t, c, 'I')
				mustExec(t, c, "SELECT 1")
				equal(t, "keys left", e.keys(), before)
			})
		}
	}
}
