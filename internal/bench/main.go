package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// options of a run.
type options struct {
	rowback string // the binary
	only    *regexp.Regexp
	rounds  int
	seconds int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context) (err error) {
	var o options
	only := ""
	flag.StringVar(&o.rowback, "rowback", "bin/rowback", "the `binary` to measure")
	flag.StringVar(&only, "case", "", "only the cases whose name matches this `regexp`")
	flag.Parse()
	if o.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if o.seconds, err = number("BENCH_SECONDS", 2); err != nil {
		return err
	}
	if o.rounds, err = number("BENCH_ROUNDS", 3); err != nil {
		return err
	}
	begun := time.Now()
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	t := newTable(os.Stdout)
	t.heading(o)
	for _, b := range slices.Concat(selects(l), updates(l), deletes(l), pipelines(l), incidents(l)) {
		if !o.only.MatchString(b.name) {
			continue
		}
		if err := b.run(ctx, l); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
		t.row(b)
	}
	t.ending(time.Since(begun))
	return nil
}

// number is a positive number from the environment.
func number(name string, otherwise int) (int, error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s=%s is not a positive number", name, text)
	}
	return n, nil
}
