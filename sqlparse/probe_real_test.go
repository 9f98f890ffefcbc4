package sqlparse

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/rowback/rowback/internal/pgtest"
)

// TestProbe_CountsWhatVanishes builds random databases, probes random DELETEs,
// and compares with the rows that are gone once they have run.
func TestProbe_CountsWhatVanishes(t *testing.T) {
	url := pgtest.Shared(t).URL(pgtest.Database(t, evil))
	total, cascaded := 0, 0
	for seed := range uint64(40) {
		s := newShape(rand.New(rand.NewPCG(seed, 2)))
		conn := connect(t, url)
		ok := t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			run(t, conn, "BEGIN; "+s.ddl())
			for range 3 {
				run(t, conn, "SAVEPOINT s")
				run(t, conn, keySessions[s.rand.IntN(len(keySessions))])
				sum, direct := checkProbe(t, conn, s)
				total, cascaded = total+sum, cascaded+sum-direct
				run(t, conn, "ROLLBACK TO s")
			}
			if err := conn.Close(context.Background()); err != nil {
				t.Fatal(err)
			}
		})
		if !ok {
			t.Fatalf("seed %d:\n%s", seed, newShape(rand.New(rand.NewPCG(seed, 2))).ddl())
		}
	}
	if total == 0 || cascaded == 0 {
		t.Errorf("the shapes are too tame: %d rows, %d of them by cascade", total, cascaded)
	}
}

func checkProbe(t *testing.T, conn *pgx.Conn, s *shape) (sum, direct int) {
	t.Helper()
	target := s.tables[s.rand.IntN(len(s.tables))]
	steps, tables := s.steps(target, s.rand.IntN(3) == 0)
	sql := randomDelete(s, target)
	statement := parseDelete(t, sql)
	write := func(max int64) (Probe, bool) {
		probe, err := statement.Probe(Capture{Steps: steps}, max)
		if err != nil && !errors.Is(err, ErrKeyType) && !errors.Is(err, ErrShape) { // no recursion over money, none over circles
			t.Fatalf("%v\n%s\n%+v", err, sql, steps)
		}
		return probe, err == nil
	}
	probe, ok := write(1_000_000)
	if !ok {
		return 0, 0
	}
	got := map[string]int{}
	for index, n := range probed(t, conn, probe) {
		got[tables[index].name] += n
		sum += n
	}

	before, _ := snapshot(t, conn, s)
	results, err := conn.PgConn().Exec(context.Background(), sql).ReadAll()
	if e := (*pgconn.PgError)(nil); errors.As(err, &e) && e.Code == "23503" {
		run(t, conn, "ROLLBACK TO s")
		return 0, 0 // a row that one key cuts and another removes: the server itself fails sometimes
	} else if err != nil {
		t.Fatalf("%v\n%s", err, sql)
	}
	after, _ := snapshot(t, conn, s)
	want := map[string]int{}
	for row := range before {
		if !after[row] {
			table, _, _ := strings.Cut(row, ":")
			want[table]++
		}
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("probed %v, gone %v\n%s\n%s", got, want, sql, probe.SQL)
	}
	run(t, conn, "ROLLBACK TO s")
	max := 1 + s.rand.IntN(sum+2)
	bounded, _ := write(int64(max))
	few := 0
	for _, n := range probed(t, conn, bounded) {
		few += n
	}
	if few != min(max, sum) {
		t.Errorf("%d rows with at most %d of %d\n%s", few, max, sum, bounded.SQL)
	}
	return sum, int(results[0].CommandTag.RowsAffected())
}

// probed runs a probe where nothing can be written: rows by step.
func probed(t *testing.T, conn *pgx.Conn, p Probe) map[int]int {
	t.Helper()
	run(t, conn, "SAVEPOINT readonly; SET LOCAL transaction_read_only = on")
	result := run(t, conn, p.SQL)[0]
	run(t, conn, "ROLLBACK TO readonly")
	out := map[int]int{}
	for _, row := range result.Rows {
		index, err := strconv.Atoi(string(row[0]))
		if err != nil {
			t.Fatal(err)
		}
		if out[index], err = strconv.Atoi(string(row[1])); err != nil || out[index] == 0 || len(row) != 2 {
			t.Fatalf("%q", row)
		}
	}
	return out
}
