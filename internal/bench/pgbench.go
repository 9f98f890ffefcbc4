package main

import (
	"context"
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// pgbenchDatabase holds pgbench's tables.
const pgbenchDatabase = "bench"

var (
	processedLine = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	failedLine    = regexp.MustCompile(`number of failed transactions: (\d+)`)
	tpsLine       = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \(without`)
)

// pgbench runs pgbench for the time of one side and reads what it says.
func (l *lab) pgbench(ctx context.Context, through way, clients int, args ...string) (sample, error) {
	args = append(args, "-n", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(l.seconds), through.URL(pgbenchDatabase))
	out, err := l.server.Command(ctx, "pgbench", args...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	processed, tps, failed := processedLine.FindSubmatch(out), tpsLine.FindSubmatch(out), failedLine.FindSubmatch(out)
	if processed == nil || tps == nil || failed != nil && string(failed[1]) != "0" {
		return sample{}, fmt.Errorf("pgbench says:\n%s", out)
	}
	n, err := strconv.Atoi(string(processed[1]))
	if err != nil {
		return sample{}, err
	}
	rate, err := strconv.ParseFloat(string(tps[1]), 64)
	if err != nil {
		return sample{}, err
	}
	return sample{n, time.Duration(float64(n) / rate * float64(time.Second))}, nil
}

// through is the blocking proxy for our side, the server for the peer's.
func (l *lab) through(ours bool) way {
	if ours {
		return l.block
	}
	return l.server
}

// pgbenchTables makes them, once.
func (l *lab) pgbenchTables(ctx context.Context) error {
	return l.once("pgbench", func() error {
		if err := l.execute(ctx, "postgres", "CREATE DATABASE "+pgbenchDatabase); err != nil {
			return err
		}
		if out, err := l.server.Command(ctx, "pgbench", "-i", "-q", "-s", "5", l.server.URL(pgbenchDatabase)).CombinedOutput(); err != nil {
			return fmt.Errorf("pgbench -i: %w\n%s", err, out)
		}
		return nil
	})
}

// selects are reads by key, which the guard has nothing to do with: pgbench -S.
func selects(l *lab) []*bench {
	var cases []*bench
	add := func(peer string, between way, protocol string, clients int) {
		cases = append(cases, &bench{
			name: fmt.Sprintf("SELECT by key, -M %s -c %d", protocol, clients), peer: peer, setup: l.pgbenchTables,
			measure: func(ctx context.Context, ours bool) (sample, error) {
				through := between
				if ours {
					through = l.block
				}
				return l.pgbench(ctx, through, clients, "-S", "-M", protocol)
			},
		})
	}
	for _, protocol := range []string{"simple", "prepared"} {
		for _, clients := range []int{1, 16, 100} {
			add("pgbouncer", l.bouncer, protocol, clients)
		}
		add("direct", l.server, protocol, 16)
		add("mode off", l.off, protocol, 16) // what judging costs a statement that removes nothing
	}
	return cases
}

// updates are pgbench's own transactions, TPC-B: BEGIN, four statements that write, a read, END.
func updates(l *lab) []*bench {
	return []*bench{{
		name: "pgbench TPC-B, -M prepared -c 16", peer: "pgbouncer", setup: l.pgbenchTables,
		measure: func(ctx context.Context, ours bool) (sample, error) {
			var through way = l.bouncer
			if ours {
				through = l.block
			}
			return l.pgbench(ctx, through, 16, "-M", "prepared")
		},
	}}
}
