package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
)

// logOptions are the flags of `rowback log`.
type logOptions struct {
	filterFlags
	keys  bool
	limit int64
}

func newLogCommand(s *settings) *cobra.Command {
	var o logOptions
	cmd := &cobra.Command{
		Use:   "log [ID]",
		Short: "Lists what the journal holds: deletions, blocks, alerts",
		Long: `Lists the journal's entries, newest first: who removed what, when, and how the
transaction ended, and what has been restored or undone since, as far as restores
are on record with the keys of their rows. "perhaps restored" is what only the
entry by itself can tell. An ID, or the beginning of one, shows that entry in full,
with each restore that brought rows of it; the ID of a statement that was held shows
the entry that it led to.

The journal may be in use by a running proxy. Where a production server is given
(--production), what 'rowback protect' recorded there is brought in first. With
--output json every entry is one JSON object on a line of its own; --keys adds
every captured key to it.`,
		Example: `  rowback log --since 2h
  rowback log --table orders --outcome blocked
  rowback log --since 2026-01-31 --until 2026-01-31 --min-rows 1000 --user batch
  rowback log 01JY2M
  rowback log 01JY2M --keys --output json`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			filter, err := o.filter(time.Now())
			if err != nil {
				return err
			}
			if len(args) == 1 {
				if name := firstGiven(cmd.Flags(), filterNames...); name != "" {
					return usageError(fmt.Errorf("%q names one entry, and --%s selects among all: give one of them", args[0], name))
				}
				filter.ID = args[0]
			}
			return runLog(cmd, s, o, filter, len(args) == 1)
		},
	}
	o.addFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.keys, "keys", false, "with every captured key (needs an ID or --output json)")
	cmd.Flags().Int64Var(&o.limit, "limit", 0, "at most `N` entries, the newest (default: all)")
	return cmd
}

// runLog prints the entries that filter selects; one: filter.ID must name exactly one.
func runLog(cmd *cobra.Command, s *settings, o logOptions, filter journal.Filter, one bool) error {
	ctx, stdout, stderr := cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	switch {
	case o.limit < 0:
		return usageError(fmt.Errorf("--limit: %d is below zero", o.limit))
	case o.keys && !one && s.Output != "json":
		return usageError(errors.New("--keys needs the ID of one entry, or --output json"))
	case one && filter.ID == "":
		return usageError(errors.New("the ID is empty"))
	}
	j, err := s.openJournal(ctx, journal.Options{MustExist: true, Reader: true})
	if err != nil {
		return err
	}
	defer j.Close()
	collectFirst(cmd, s, j)
	if one {
		// Says whether there is none or more than one.
		e, err := entryNamed(ctx, j, filter.ID)
		if err != nil {
			return err
		}
		filter.ID = e.ID
	}

	out := bufio.NewWriter(stdout)
	since, err := readAftermath(ctx, j)
	if err != nil {
		return err
	}
	if one {
		since.full, since.left = true, math.MaxInt64
	}
	print := entryPrinter(out, j, since, s.Output == "json", one, o.keys)
	count := int64(0)
	for e, err := range j.Entries(ctx, filter) {
		if err == nil {
			err = print(ctx, e)
		}
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if count++; count == o.limit {
			break
		}
	}
	if count == 0 && s.Output == "text" {
		if filter == (journal.Filter{}) {
			fmt.Fprintln(stderr, "the journal holds no entries yet")
		} else {
			fmt.Fprintln(stderr, "no entry matches")
		}
	}
	return out.Flush()
}

// printEntry prints an entry in one of the forms of `rowback log`.
type printEntry func(context.Context, *journal.Entry) error

func entryPrinter(out *bufio.Writer, j journal.Journal, since *aftermath, asJSON, full, keys bool) printEntry {
	switch {
	case asJSON:
		return func(ctx context.Context, e *journal.Entry) error { return since.printJSON(ctx, out, e, keys) }
	case full:
		return func(ctx context.Context, e *journal.Entry) error { return printFull(ctx, out, j, since, e, keys) }
	}
	first := true
	return func(ctx context.Context, e *journal.Entry) error {
		if first {
			printHeader(out)
			first = false
		}
		return printLine(ctx, out, since, e)
	}
}
