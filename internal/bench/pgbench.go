package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"
)

// pgbenchDatabase holds pgbench's tables.
const pgbenchDatabase = "bench"

// pgbench is measured once it is warm: a new server process maps the shared memory
// it touches page by page, and fills its caches, which takes most of its first
// second. rowback's clients have new ones, as direct ones have, pgbouncer's do not.
const (
	warming    = 2                     // s
	connecting = 20 * time.Millisecond // a client may take; pgbench's time runs meanwhile
)

var (
	processedLine = regexp.MustCompile(`number of transactions actually processed: (\d+)`)
	failedLine    = regexp.MustCompile(`number of failed transactions: (\d+)`)
)

// pgbench runs pgbench for the time of one side, and a while before that. The
// sample is of that time alone; total is of the whole run.
func (l *lab) pgbench(ctx context.Context, through way, clients int, args ...string) (s sample, total int, err error) {
	lasts := warming + l.seconds + int(time.Duration(clients)*connecting/time.Second)
	args = append(args, "-n", "-c", strconv.Itoa(clients), "-j", strconv.Itoa(min(clients, 2)), "-T", strconv.Itoa(lasts), "-P", "1", through.URL(pgbenchDatabase))
	cmd := l.server.Command(ctx, "pgbench", args...)
	var out, said bytes.Buffer
	cmd.Stdout = &out
	says, err := cmd.StderrPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		return s, 0, fmt.Errorf("pgbench: %w", err)
	}
	w := window{times: l.times}
	if err := errors.Join(w.read(io.TeeReader(says, &said)), cmd.Wait()); err != nil {
		return s, 0, fmt.Errorf("pgbench: %w\n%s%s", err, &out, &said)
	}
	processed, failed := processedLine.FindSubmatch(out.Bytes()), failedLine.FindSubmatch(out.Bytes())
	if processed == nil || failed != nil && string(failed[1]) != "0" {
		return s, 0, fmt.Errorf("pgbench says:\n%s", &out)
	}
	if total, err = strconv.Atoi(string(processed[1])); err != nil {
		return s, 0, err
	}
	if s = w.sample; s.done == 0 {
		return s, 0, fmt.Errorf("pgbench: nothing was done in %d s; try more (BENCH_SECONDS)\n%s", l.seconds, &said)
	}
	return s, total, nil
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
		return os.WriteFile(l.selectScript(), []byte(selectText), 0o600)
	})
}

// selectText is that of pgbench -S, over fewer rows: so that processes get warm.
const selectText = "\\set aid random(1, 10000)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n"

func (l *lab) selectScript() string { return filepath.Join(l.dir, "select.sql") }
