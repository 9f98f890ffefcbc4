package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
)

const allowanceLine = "%-26s  %-20s  %-8s  %17s  %-40s  %-12s  %s\n"

func newAllowListCommand(s *settings) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "Lists the allowances that can still be used",
		Long: `Lists the allowances that can still be used, newest first, with the rows that are
left of each. With --output json every one is an object on a line of its own, with
the transactions that have used it.`,
		Example: `  rowback allow list
  rowback allow list --all --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runAllowList(cmd, s, all) },
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that are expired, revoked or used up, too")
	return cmd
}

func runAllowList(cmd *cobra.Command, s *settings, all bool) (err error) {
	j, err := openApprovals(cmd.Context(), s, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	now := time.Now()
	var live time.Time
	if !all {
		live = now
	}
	list, err := j.Allowances(cmd.Context(), live)
	if err != nil {
		return err
	}
	if s.Output == "json" {
		for _, a := range list {
			if err := printLineJSON(cmd.OutOrStdout(), allowanceJSON{&a, a.State(now), a.Left(now)}); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case len(list) > 0:
		return printAllowances(cmd.OutOrStdout(), list, now)
	case all:
		fmt.Fprintln(cmd.ErrOrStderr(), "no allowance was ever granted")
	default:
		fmt.Fprintln(cmd.ErrOrStderr(), "no allowance can be used now; --all lists those of the past")
	}
	return nil
}

func printAllowances(w io.Writer, list []journal.Allowance, now time.Time) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, allowanceLine, "ID", "UNTIL", "STATE", "LEFT OF ROWS", "FOR", "BY", "REASON")
	for _, a := range list {
		left := fmt.Sprintf("%d/%d", a.Left(now), a.Rows)
		what := allowanceFor(&a)
		if a.Once {
			what = "once: " + what
		}
		fmt.Fprintf(out, allowanceLine, a.ID, shortTime(a.Expires), a.State(now), left, oneLine(what, 40), oneLine(a.By, 12), oneLine(a.Reason, 60))
	}
	return out.Flush()
}
