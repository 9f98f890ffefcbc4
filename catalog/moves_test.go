package catalog

import "testing"

// Where an UPDATE that moves rows between partitions sets off ON DELETE CASCADE, it may
// delete; an INSERT may only where something in it updates.
func TestReach_RowsThatMoveToAnotherPartition(t *testing.T) {
	conn := database(t, `CREATE TABLE pp (id int, k int, PRIMARY KEY (id, k)) PARTITION BY LIST (k); CREATE TABLE pp1 PARTITION OF pp FOR VALUES IN (1); CREATE TABLE pp2 PARTITION OF pp FOR VALUES IN (2);
		CREATE TABLE kid (id int PRIMARY KEY, p int, k int, FOREIGN KEY (p, k) REFERENCES pp ON DELETE CASCADE ON UPDATE CASCADE);
		INSERT INTO pp VALUES (1, 1); INSERT INTO kid SELECT i, 1, 1 FROM generate_series(1, 20) i; CREATE VIEW pv AS SELECT * FROM pp;
		CREATE FUNCTION move() RETURNS int LANGUAGE sql AS 'UPDATE pp SET k = 2; SELECT 1';
		CREATE TABLE log (v int); CREATE FUNCTION moves() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM move(); RETURN NULL; END'; CREATE TRIGGER tr AFTER INSERT ON log EXECUTE FUNCTION moves()`)
	s := load(t, conn)
	var kids int
	run(t, conn, "UPDATE pp SET k = 2")
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM kid").Scan(&kids); err != nil {
		t.Fatal(err)
	}
	if s.Version >= movesAsUpdates {
		if kids != 20 || len(s.Reach.Moves) > 0 {
			t.Errorf("%d rows are left; %v", kids, s.Reach.Moves)
		}
		check(t, "Names", s.Reach.Names, "", "pp pv move log")
		return
	}
	if kids != 0 {
		t.Errorf("%d rows are left", kids)
	}
	check(t, "Names", s.Reach.Names, "pp pv move log", "kid")
	check(t, "Reads", s.Reach.Reads, "move", "pp pv log")
	for name, want := range map[string]bool{"pp": true, "pv": true, "log": false, "move": false} {
		if s.Reach.Moves[name] != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
