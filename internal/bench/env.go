package main

import (
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// options of a run.
type options struct {
	rowback string // the binary
	only    *regexp.Regexp
	curves  bool
	limit   time.Duration // no case begins after it; 0: none
	out     string        // where the report goes: a directory, or a file without its ending; "": nowhere
	rounds  int
	seconds int
	clients []int // pgbench -S
	copyMiB int
	big     int // rows of the large DELETE
}

// environment fills in what the environment says.
func (o *options) environment() (err error) {
	for _, v := range []struct {
		name      string
		to        *int
		otherwise int
	}{
		{"BENCH_SECONDS", &o.seconds, 2}, {"BENCH_ROUNDS", &o.rounds, 3}, {"BENCH_COPY_MIB", &o.copyMiB, 256}, {"BENCH_BIG", &o.big, 1_000_000},
	} {
		if *v.to, err = number(v.name, os.Getenv(v.name), v.otherwise); err != nil {
			return err
		}
	}
	o.out = os.Getenv("BENCH_OUT")
	o.clients = []int{1, 16, 100} // of a thousand, to start their server processes takes minutes where cores are few
	if text := os.Getenv("BENCH_CLIENTS"); text != "" {
		o.clients = nil
		for _, s := range strings.Split(text, ",") {
			n, err := number("BENCH_CLIENTS", strings.TrimSpace(s), 0)
			if err != nil {
				return err
			}
			o.clients = append(o.clients, n)
		}
	}
	return nil
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
