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
	tpsLine       = regexp.MustCompile(`(?m)^tps = ([0-9.]+) \((?:without|including)`)
)

// A crowd of clients has so many transactions a second and client: pgbench's time
// begins before they are connected, and may be over by then. What a new server
// process does once is in it: rowback's clients have new ones, pgbouncer's do not.
const (
	manyClients = 100
	inACrowd    = 200
)

// pgbench runs pgbench for the time of one side and reads what it says.
func (l *lab) pgbench(ctx context.Context, through way, clients int, args ...string) (sample, error) {
	long := []string{"-T", strconv.Itoa(l.seconds)}
	if clients >= manyClients {
		long = []string{"-t", strconv.Itoa(inACrowd * l.seconds)}
	}
	args = append(append(args, "-n", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2))), long...)
	args = append(args, through.URL(pgbenchDatabase))
	out, err := l.server.Command(ctx, "pgbench", args...).CombinedOutput()
	if err != nil {
		return sample{}, fmt.Errorf("pgbench: %w\n%s", err, out)
	}
	processed, tps, failed := processedLine.FindSubmatch(out), tpsLine.FindSubmatch(out), failedLine.FindSubmatch(out)
	if processed != nil && string(processed[1]) == "0" {
		return sample{}, fmt.Errorf("pgbench: nothing was done in %d s; try more (BENCH_SECONDS)", l.seconds)
	}
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
