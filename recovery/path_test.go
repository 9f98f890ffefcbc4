package recovery

import (
	"context"
	"testing"

	"github.com/rowback/rowback/internal/pgtest"
)

// What a role that may create in schema public puts there is not run by a session of a superuser's.
func TestPath_FunctionsAndOperatorsOfOthersAreNotCalled(t *testing.T) {
	for name, traps := range map[string]string{
		"operator": `CREATE FUNCTION public.eq(varchar, varchar) RETURNS bool LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES (current_user); RETURN $1::text = $2::text; END $$;
			CREATE OPERATOR public.= (FUNCTION = public.eq, LEFTARG = varchar, RIGHTARG = varchar)`,
		"function": `CREATE FUNCTION public.concat_ws(text, text, text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES (current_user); RETURN $2; END $$;
			CREATE FUNCTION public.quote_ident(name) RETURNS text LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.called VALUES (current_user); RETURN $1; END $$`,
	} {
		t.Run(name, func(t *testing.T) {
			l := newLab(t, `CREATE TABLE p (name varchar(20) PRIMARY KEY); CREATE TABLE c (id varchar(20) PRIMARY KEY, p varchar(20) REFERENCES p ON DELETE SET NULL); CREATE TABLE called (who text);
				INSERT INTO p VALUES ('a'), ('b'); INSERT INTO c VALUES ('1', 'a'), ('2', 'b')`).backup()
			other := l.role("GRANT CREATE ON SCHEMA public TO ROLE")
			id := l.incident("DELETE FROM c WHERE id = '1'; DELETE FROM p")
			pgtest.Exec(t, l.asRole(l.production, other), traps)
			pgtest.Exec(t, l.asRole(l.recovery, other), traps)
			report := l.restore(l.options(id))
			undone, err := Undo(context.Background(), UndoOptions{Production: l.production, Journal: l.journal, IDs: []string{report.Entry}})
			if err != nil || report.Restored != 3 || undone.Removed != 3 {
				t.Errorf("%+v, %v", report, err)
			}
			if called := l.state(l.production)["public.called"]; len(called) > 0 {
				t.Errorf("%v", called)
			}
		})
	}
}

// An application's own operators have no say in which rows are the same.
func TestPath_OperatorsOfTheApplication(t *testing.T) {
	l := newLab(t, `CREATE TABLE u (name varchar(20) PRIMARY KEY, v int); INSERT INTO u VALUES ('a', 1), ('b', 2);
		CREATE FUNCTION eq(varchar, varchar) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT lower($1::text) = lower($2::text)'; CREATE OPERATOR = (FUNCTION = eq, LEFTARG = varchar, RIGHTARG = varchar)`).backup()
	id := l.incident("DELETE FROM u WHERE name::text = 'a'")
	l.exec("INSERT INTO u VALUES ('A', 9)")
	if report := l.restore(l.options(id)); report.Restored != 1 {
		t.Errorf("%+v", report)
	}
}

// Types of extensions are compared by their own operators, wherever they are, and
// what people wrote finds what is in the role's path.
func TestPath_TypesAndCodeOfTheUsers(t *testing.T) {
	for _, role := range []string{"superuser", "role"} {
		t.Run(role, func(t *testing.T) {
			l := newLab(t, `CREATE SCHEMA ext; CREATE EXTENSION citext; CREATE EXTENSION ltree SCHEMA ext; CREATE TABLE written (v text);
				CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO written VALUES (TG_TABLE_NAME); RETURN NEW; END';
				CREATE FUNCTION twice(text) RETURNS text LANGUAGE sql AS 'SELECT $1 || $1';
				CREATE TABLE p (name citext PRIMARY KEY, at ext.ltree UNIQUE, v text); CREATE TABLE c (at ext.ltree PRIMARY KEY, p citext REFERENCES p ON DELETE SET NULL, up ext.ltree REFERENCES c);
				CREATE TRIGGER note AFTER INSERT OR UPDATE ON p FOR EACH ROW EXECUTE FUNCTION note(); CREATE TRIGGER note AFTER UPDATE ON c FOR EACH ROW EXECUTE FUNCTION note();
				ALTER TABLE p ENABLE ALWAYS TRIGGER note; ALTER TABLE c ENABLE ALWAYS TRIGGER note;
				INSERT INTO p VALUES ('Bob', 'a.b', 'x'), ('Ann', 'a.c', 'y'); INSERT INTO c VALUES ('a', 'BOB', NULL), ('b', 'Ann', 'a'), ('c', 'ann', 'a')`).backup()
			before := l.state(l.production)
			id := l.incident("DELETE FROM p", "DELETE FROM c WHERE at::text = 'b'")
			o := l.options(id)
			if role == "role" {
				o.Production = l.asRole(l.production, l.role(append(allGrants, "GRANT USAGE ON SCHEMA ext TO ROLE", "GRANT DELETE ON ALL TABLES IN SCHEMA public TO ROLE")...))
			}
			o.Config = &Config{Before: []string{"INSERT INTO written VALUES (twice('h'))"}, Tables: []TableConfig{{Name: "p", Columns: map[string]string{"v": "rtrim(twice(v), v) || v"}}}}
			report := l.restore(o)
			if !report.Complete() {
				t.Errorf("%+v", report.Unrestored)
			}
			after := l.state(l.production)
			if len(after["public.written"]) == len(before["public.written"]) {
				t.Error("no trigger fired")
			}
			delete(after, "public.written")
			delete(before, "public.written")
			l.is(after, before)
			u, err := Undo(context.Background(), UndoOptions{Production: o.Production, Journal: l.journal, IDs: []string{report.Entry}})
			if err != nil || u.Removed != 3 {
				t.Errorf("%+v, %v", u, err)
			}
		})
	}
}
