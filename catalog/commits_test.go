package catalog

import (
	"context"
	"testing"
)

// TestReach_Commits: the server's word is whether a row inserted before the
// procedure's ROLLBACK or COMMIT is settled when the CALL ends in an error.
func TestReach_Commits(t *testing.T) {
	conn := database(t, `CREATE TABLE t (id int);
		CREATE PROCEDURE commits() LANGUAGE plpgsql AS $$BEGIN INSERT INTO t VALUES (1); COMMIT; RAISE 'after'; END$$;
		CREATE PROCEDURE nested() LANGUAGE plpgsql AS $$BEGIN CALL commits(); END$$;
		CREATE PROCEDURE plain() LANGUAGE plpgsql AS $$BEGIN INSERT INTO t VALUES (1); RAISE 'COMMIT;'; END$$;
		CREATE PROCEDURE dynamic() LANGUAGE plpgsql AS $$BEGIN INSERT INTO t VALUES (1); EXECUTE 'CALL ' || 'commits()'; END$$;
		CREATE LANGUAGE other HANDLER plpgsql_call_handler;
		CREATE PROCEDURE unknown() LANGUAGE other AS $$BEGIN INSERT INTO t VALUES (1); COMMIT; RAISE 'after'; END$$;
		CREATE FUNCTION f() RETURNS int LANGUAGE plpgsql AS $$BEGIN COMMIT; RETURN 1; END$$;`)
	ctx := context.Background()
	s := load(t, conn)
	for name, commits := range map[string]bool{"commits": true, "nested": true, "plain": false, "dynamic": false, "unknown": true} {
		run(t, conn, "TRUNCATE t")
		if _, err := conn.Exec(ctx, "CALL "+name+"()"); err == nil {
			t.Fatalf("CALL %s() must fail", name)
		}
		var rows int
		if err := conn.QueryRow(ctx, "SELECT count(*) FROM t").Scan(&rows); err != nil {
			t.Fatal(err)
		}
		if (rows == 1) != commits {
			t.Errorf("%s: the server's word: %d rows stayed", name, rows)
		}
		if _, ok := s.Reach.Commits[name]; ok != commits {
			t.Errorf("%s: Commits has it: %v", name, ok)
		}
	}
	if why, ok := s.Reach.Commits["f"]; ok {
		t.Errorf("a function cannot commit: %s", why)
	}
}
