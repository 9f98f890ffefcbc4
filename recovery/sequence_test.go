package recovery

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// A sequence may feed a column of a domain.
func TestSequence_OfADomain(t *testing.T) {
	l := newLab(t, `CREATE DOMAIN pos AS int CHECK (VALUE > 0); CREATE DOMAIN id AS pos; CREATE SEQUENCE s; CREATE TABLE u (id id PRIMARY KEY DEFAULT nextval('s')); ALTER SEQUENCE s OWNED BY u.id; INSERT INTO u SELECT FROM generate_series(1, 20)`).backup()
	l.restore(l.options(l.incident("TRUNCATE u RESTART IDENTITY")))
	if n, err := l.side(l.production).number(context.Background(), "SELECT nextval('s')"); n != 21 {
		t.Errorf("the next value is %d, %v", n, err)
	}
}

// One that cycles comes round: it is behind nothing.
func TestSequence_ThatCycles(t *testing.T) {
	l := newLab(t, "CREATE SEQUENCE s MAXVALUE 100 CYCLE; CREATE TABLE u (id int PRIMARY KEY DEFAULT nextval('s')); INSERT INTO u VALUES (90); SELECT setval('s', 5)").backup()
	report := l.restore(l.options(l.incident("DELETE FROM u")))
	if n, err := l.side(l.production).number(context.Background(), "SELECT nextval('s')"); n != 6 || len(report.Sequences) > 0 {
		t.Errorf("the next value is %d, %v; %+v", n, err, report.Sequences)
	}
}

// While others draw from a sequence no value is given out twice, and it does not go back.
func TestSequence_OthersDrawMeanwhile(t *testing.T) {
	l := newLab(t, "CREATE TABLE u (id serial PRIMARY KEY); INSERT INTO u SELECT 1000 * i FROM generate_series(1, 2000) i").backup()
	o := l.options(l.incident("DELETE FROM u"))
	l.exec("SELECT setval('u_id_seq', 1)")
	stop := make(chan struct{})
	var wg sync.WaitGroup
	drawn := make([][]int64, 2)
	for i := range drawn {
		conn := l.connect()
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				var n int64
				if err := conn.QueryRow(context.Background(), "SELECT nextval('u_id_seq')").Scan(&n); err != nil {
					t.Error(err)
					return
				}
				drawn[i] = append(drawn[i], n)
			}
		})
	}
	report := l.restore(o)
	close(stop)
	wg.Wait()
	if len(report.Sequences) != 1 || !report.Sequences[0].Moved || report.Sequences[0].To < 2_000_000 {
		t.Errorf("%+v", report.Sequences)
	}
	all := slices.Concat(drawn...)
	slices.Sort(all)
	if n := len(all); n == 0 || len(slices.Compact(all)) != n {
		t.Errorf("%d values were drawn, of which some are the same", n)
	}
	for _, of := range drawn {
		if !slices.IsSorted(of) {
			t.Error("the sequence went back")
		}
	}
	if n, err := l.side(l.production).number(context.Background(), "SELECT nextval('u_id_seq')"); err != nil || n <= 2_000_000 {
		t.Errorf("the next value is %d, %v", n, err)
	}
}

// USAGE lets a role move a sequence, and so does UPDATE.
func TestSequence_Privileges(t *testing.T) {
	for _, privilege := range []string{"USAGE", "UPDATE"} {
		l := newLab(t, "CREATE TABLE u (id serial PRIMARY KEY); INSERT INTO u SELECT FROM generate_series(1, 20)").backup()
		role := l.role("GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO ROLE", "GRANT SELECT, "+privilege+" ON ALL SEQUENCES IN SCHEMA public TO ROLE")
		o := l.options(l.incident("TRUNCATE u RESTART IDENTITY"))
		o.Production = l.asRole(l.production, role)
		if report := l.restore(o); !report.Complete() || len(report.Sequences) != 1 || report.Sequences[0].To != 20 {
			t.Errorf("%s: %+v", privilege, report)
		}
	}
}
