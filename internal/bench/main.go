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
	"strings"
	"syscall"
	"time"
)

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
	flag.BoolVar(&o.curves, "curves", false, "how the cost grows, in place of the comparisons")
	flag.BoolVar(&o.all, "all", false, "the comparisons, and how the cost grows")
	flag.DurationVar(&o.patience, "patience", 5*time.Minute, "give up a case after this `time`")
	flag.DurationVar(&o.limit, "limit", 0, "begin no case after this `time`; 0: no limit")
	flag.Parse()
	if o.only, err = regexp.Compile(only); err != nil {
		return err
	}
	if err := o.environment(); err != nil {
		return err
	}
	l, err := newLab(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.close()) }()
	into, err := l.newReport(ctx)
	if err != nil {
		return err
	}
	if !o.curves {
		err = l.compare(ctx, into)
	}
	if o.curves || o.all {
		err = errors.Join(err, l.draw(ctx, into))
	}
	return errors.Join(err, into.write(o.out))
}

// compare runs all cases. One that fails is reported, and the next one runs.
func (l *lab) compare(ctx context.Context, into *report) error {
	t := newTable(os.Stdout)
	t.heading(l.options)
	into.Results = nil
	err := l.each(ctx, slices.Concat(selects(l), updates(l), streams(l), latencies(l), connects(l), memories(l), deletes(l), pipelines(l),
		incidents(l), diffs(l), bulkRestores(l), bulkDiffs(l), bigDeletes(l), runaways(l), verdicts(l)), func(w work) error {
		begun := time.Now()
		results, err := w.run(ctx, l)
		if err != nil {
			results = []result{{Name: w.title(), Problem: l.inWords(err)}}
		}
		results[0].Took = time.Since(begun).Seconds()
		for _, r := range results {
			t.row(r)
		}
		into.Results = append(into.Results, results...)
		return err
	})
	t.ending(into.Results, time.Since(l.begun))
	return err
}

// each does what is chosen of some work until the time is up.
func (l *lab) each(ctx context.Context, all []work, do func(work) error) error {
	var failed []error
	for _, w := range all {
		if !l.only.MatchString(w.title()) {
			continue
		}
		if l.limit > 0 && time.Since(l.begun) > l.limit {
			failed = append(failed, fmt.Errorf("%s: not run, %v are over", w.title(), l.limit))
			continue
		}
		if err := do(&bounded{w}); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", w.title(), err))
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(append(failed, err)...)
		}
	}
	return errors.Join(failed...)
}

// bounded is work that ends.
type bounded struct{ work }

func (b *bounded) run(ctx context.Context, l *lab) ([]result, error) {
	ctx, cancel := context.WithTimeout(ctx, l.patience)
	defer cancel()
	return b.work.run(ctx, l)
}

// inWords is the first line of an error, without this machine's paths: it goes into reports.
func (l *lab) inWords(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	for _, dir := range []string{l.dir, l.server.Dir, os.TempDir()} {
		line = strings.ReplaceAll(line, dir, "…")
	}
	return line
}
