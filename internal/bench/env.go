package main

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// options of a run.
type options struct {
	rowback  string // the binary
	only     *regexp.Regexp
	curves   bool
	all      bool          // the comparisons, and the curves
	limit    time.Duration // no case begins after it; 0: none
	patience time.Duration // how long a case may take: one that hangs is not to stop the others
	out      string        // where the report goes: a directory, or a file without its ending; "": nowhere
	rounds   int
	seconds  int
	clients  []int // pgbench -S
	copyMiB  int
	big      int   // rows of the large DELETE
	runaway  int   // rows of the DELETE that is refused
	bulks    []int // rows of the large restores and diffs, from few to many
	journal  int   // keys in the largest journal of the curve
}

// environment fills in what the environment says.
func (o *options) environment() (err error) {
	for _, v := range []struct {
		name      string
		to        *int
		otherwise int
	}{
		{"BENCH_SECONDS", &o.seconds, 2}, {"BENCH_ROUNDS", &o.rounds, 3}, {"BENCH_COPY_MIB", &o.copyMiB, 256}, {"BENCH_BIG", &o.big, 1_000_000},
		{"BENCH_RUNAWAY", &o.runaway, 1_100_000}, {"BENCH_JOURNAL", &o.journal, 10_000_000},
	} {
		if *v.to, err = number(v.name, os.Getenv(v.name), v.otherwise); err != nil {
			return err
		}
	}
	o.out = os.Getenv("BENCH_OUT")
	// Of a thousand clients, to start their server processes takes minutes where cores are few.
	if o.clients, err = numbers("BENCH_CLIENTS", 1, 16, 100); err != nil {
		return err
	}
	o.bulks, err = numbers("BENCH_BULK", 500_000, 1_000_000)
	slices.Sort(o.bulks)
	return err
}

// numbers are positive numbers from the environment, separated by commas.
func numbers(name string, otherwise ...int) (out []int, err error) {
	text := os.Getenv(name)
	if text == "" {
		return otherwise, nil
	}
	for _, s := range strings.Split(text, ",") {
		n, err := number(name, strings.TrimSpace(s), 0)
		if err != nil {
			return nil, err
		}
		out = append(out, n)
	}
	return out, nil
}

// number is a positive number from the environment.
func number(name, text string, otherwise int) (int, error) {
	if text == "" && otherwise > 0 {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		return 0, fmt.Errorf("%s: %q is not a positive number", name, text)
	}
	return n, nil
}
