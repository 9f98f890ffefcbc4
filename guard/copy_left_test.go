package guard_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/guard/policy"
)

// A COPY that has failed goes on behind a Sync, or as a Query at once, before the client, or
// rowback, has heard of it. What comes then is no data of the COPY.
func TestCopy_LeftUnheard(t *testing.T) {
	e := newEnv(t, policy.Uniform(policy.Block, 10), shop, "CREATE FUNCTION fails() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END'; CREATE TABLE closed (id int); CREATE TRIGGER tr BEFORE INSERT ON closed EXECUTE FUNCTION fails()")
	c := connect(t, e.direct, pgx.QueryExecModeExec)
	remove, flush, bad := pbe("DELETE FROM plain"), messages{&pgproto3.Flush{}}, messages{&pgproto3.CopyData{Data: []byte("bad\tx\n")}}
	copies := func(table string) messages {
		return cat(parse("", "COPY "+table+" FROM STDIN"), bind("", ""), execute("", 0))
	}
	for name, x := range map[string]struct{ begins, goesOn messages }{
		"behind a Sync":        {cat(copies("plain"), flush), cat(bad, syncMsg, remove, syncMsg)},
		"behind two":           {cat(copies("plain"), flush), cat(bad, syncMsg, syncMsg, remove, syncMsg)},
		"prepared before":      {cat(parse("s", "DELETE FROM plain"), copies("plain"), flush), cat(bad, syncMsg, bind("", "s"), execute("", 0), syncMsg)},
		"as a Query":           {q("COPY plain FROM STDIN"), cat(bad, q("DELETE FROM plain"))},
		"as a Query, prepared": {cat(parse("s", "DELETE FROM plain"), q("COPY plain FROM STDIN")), cat(bad, bind("", "s"), execute("", 0), syncMsg)},
		"before the data":      {cat(copies("closed"), syncMsg, remove, flush), cat(syncMsg)},
	} {
		t.Run(name, func(t *testing.T) {
			for range 10 {
				r := dialRaw(t, e.url)
				send := func(ms messages) {
					for _, m := range ms {
						r.Send(m)
					}
					if err := r.Flush(); err != nil {
						t.Fatal(err)
					}
				}
				send(x.begins)
				for is := false; !is; {
					m, err := r.Receive()
					if err != nil {
						t.Fatal(err)
					}
					_, is = m.(*pgproto3.CopyInResponse)
				}
				send(x.goesOn)
				for open := true; open; { // up to the session's end, or one more statement's
					m, err := r.Receive()
					_, ready := m.(*pgproto3.ReadyForQuery)
					open = err == nil && !ready
				}
				r.conn.Close()
			}
			e.until("SELECT count(*) = 0 FROM pg_stat_activity WHERE datname = current_database() AND state <> 'idle' AND pid <> pg_backend_pid()")
			var n int
			if err := c.QueryRow(t.Context(), "SELECT count(*) FROM plain").Scan(&n); err != nil || n != 100 {
				t.Errorf("%d rows are left, want 100, %v", n, err)
			}
		})
	}
}
