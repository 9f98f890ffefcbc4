package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// bulk is a database of very many rows in two tables, nine in ten of them in the
// one that references the other; its copies are production, one for each side.
type bulk struct {
	what string // the work: what the journal has of one's database is nothing to another
	rows int
}

// bulkTables are emptied whole, but for the first row of each.
var bulkTables = []lost{{"p", "id > 0"}, {"c", "id > 0"}}

func (b bulk) name() string { return fmt.Sprintf("bulk_%s_%d", b.what, b.rows) }

// production is a copy of the database.
func (b bulk) production(ours bool) string {
	if ours {
		return b.name() + "_rowback"
	}
	return b.name() + "_direct"
}

// make makes the database, and the copies of it that are asked for.
func (b bulk) make(ctx context.Context, l *lab, copies ...bool) error {
	if err := b.drop(ctx, l); err != nil { // of a round that failed
		return err
	}
	if err := l.execute(ctx, "postgres", "CREATE DATABASE "+b.name()); err != nil {
		return err
	}
	parents := b.rows / 10
	err := l.execute(ctx, b.name(), "CREATE TABLE p (id bigint PRIMARY KEY, v text)",
		"CREATE TABLE c (id bigint PRIMARY KEY, p_id bigint NOT NULL REFERENCES p ON DELETE CASCADE, at timestamptz, amount numeric, note text)",
		fmt.Sprintf("INSERT INTO p SELECT i, 'parent ' || i FROM generate_series(0, %d) i", parents),
		fmt.Sprintf("INSERT INTO c SELECT i, CASE i WHEN 0 THEN 0 ELSE 1 + i %% %d END, 'epoch'::timestamptz + i * '1 s'::interval, i / 7.0, 'a note of some length about row ' || i FROM generate_series(0, %d) i", parents, b.rows-parents),
		"CREATE INDEX ON c (p_id)", "VACUUM ANALYZE")
	for _, ours := range copies {
		if err == nil {
			err = l.execute(ctx, "postgres", "CREATE DATABASE "+b.production(ours)+" TEMPLATE "+b.name()+" STRATEGY file_copy")
		}
	}
	return err
}

// drop gives the disk back.
func (b bulk) drop(ctx context.Context, l *lab) error {
	return l.execute(context.WithoutCancel(ctx), "postgres", "DROP DATABASE IF EXISTS "+b.production(true)+" WITH (FORCE)",
		"DROP DATABASE IF EXISTS "+b.production(false)+" WITH (FORCE)", "DROP DATABASE IF EXISTS "+b.name()+" WITH (FORCE)")
}

// sum is a check sum of all that a database has.
func (b bulk) sum(ctx context.Context, l *lab, database string) (sum string, err error) {
	var sums []string
	for _, t := range bulkTables {
		sums = append(sums, fmt.Sprintf("SELECT concat_ws(' ', count(*), sum(hashtextextended(t::text, 0)::numeric)) FROM %s t", t.table))
	}
	err = connected(ctx, l.server.URL(database), func(conn *pgx.Conn) error {
		rows, _ := conn.Query(ctx, strings.Join(sums, " UNION ALL "))
		all, err := pgx.CollectRows(rows, pgx.RowTo[string])
		sum = strings.Join(all, ", ")
		return err
	})
	return sum, err
}

// watched runs a command; peak is its greatest memory, MiB, 0 without /proc. The
// kernel's own record of a child that has ended (rusage) begins with its parent's.
func watched(cmd *exec.Cmd) (peak float64, err error) {
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			return peak, err
		case <-time.After(20 * time.Millisecond):
			if most, err := memory(cmd.Process.Pid, "VmHWM"); err == nil {
				peak = max(peak, float64(most)/(1<<20))
			}
		}
	}
}

// listed names the sizes of a case.
func listed(rows []int) string {
	text := strings.Trim(fmt.Sprint(rows), "[]")
	return strings.ReplaceAll(text, " ", " and ")
}

// scaled is what a command took at a size, of each round.
type scaled struct {
	rows     int
	seconds  []float64 // for a million rows
	memories []float64 // MiB
}

func (s *scaled) add(took time.Duration, memory float64) {
	s.seconds, s.memories = append(s.seconds, took.Seconds()/float64(s.rows)*1e6), append(s.memories, memory)
}

// memory is a line of the report.
func (s *scaled) memory(name string) result {
	r := result{Name: name + ", memory", Unit: "MiB", Ours: middle(s.memories), Figure: "MiB"}
	return r.figures(s.memories, goal{})
}

// constant is how far what does not grow may seem to: noise of clocks and of Go's heap.
const constant = 1.25

// growth compares a size with the one before: time for each row and memory are not to grow.
func (s *scaled) growth(what string, least *scaled) (lines []result) {
	for _, m := range []struct {
		name, unit   string
		before, here []float64
	}{{"time a million rows", "s", least.seconds, s.seconds}, {"memory", "MiB", least.memories, s.memories}} {
		if middle(m.before) == 0 { // no /proc
			continue
		}
		r := result{Name: fmt.Sprintf("%s of %d rows, %s", what, s.rows, m.name), Peer: fmt.Sprintf("%d rows", least.rows),
			Unit: m.unit, Peers: middle(m.before), Ours: middle(m.here), Figure: growthRatio}
		lines = append(lines, r.figures(ratios(m.here, m.before), atMost(constant)))
	}
	return lines
}

// ratios are those of two measurements, round by round.
func ratios(of, to []float64) (r []float64) {
	for i := range of {
		r = append(r, of[i]/to[i])
	}
	return r
}
