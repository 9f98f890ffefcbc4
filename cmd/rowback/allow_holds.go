package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
)

const holdLine = "%-26s  %-8s  %-8s  %-20s  %9s  %-24s  %s\n"

func newAllowHoldsCommand(s *settings) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:   "holds [ID]",
		Short: "Lists the statements that wait for an answer",
		Long: `Lists the statements that wait until someone allows or denies them, newest first:
who sent them, why they are held, how long they have waited, and when they are
refused unless someone answers. An ID, or its beginning, shows that one in full.`,
		Example: `  rowback allow holds
  rowback allow holds 01JY2M
  rowback allow holds --all --output json`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if all {
					return usageError(fmt.Errorf("%q names one statement, and --all lists them: give one of them", args[0]))
				}
				return runAllowHold(cmd, s, args[0])
			}
			return runAllowHolds(cmd, s, all)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "those that have been answered, have expired or were given up, too")
	return cmd
}

func runAllowHolds(cmd *cobra.Command, s *settings, all bool) (err error) {
	j, err := openApprovals(cmd.Context(), s, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	state := journal.Waiting
	if all {
		state = ""
	}
	list, err := j.Holds(cmd.Context(), state)
	if err != nil {
		return err
	}
	now := time.Now()
	out := bufio.NewWriter(cmd.OutOrStdout())
	count := 0
	for _, h := range list {
		if h.State = h.StateAt(now); !all && h.State != journal.Waiting {
			continue // its proxy ended before it could say so
		}
		if s.Output == "json" {
			h.CancelKey = "" // whose it is, is for proxies
			err = printLineJSON(out, h)
		} else {
			if count == 0 {
				fmt.Fprintf(out, holdLine, "ID", "STATE", "WAITED", "UNTIL", "ROWS", "USER@DATABASE", "STATEMENT")
			}
			err = printHoldLine(out, &h, now)
		}
		if err != nil {
			return err
		}
		count++
	}
	if count == 0 && s.Output == "text" {
		if all {
			fmt.Fprintln(cmd.ErrOrStderr(), "no statement was ever held")
		} else {
			fmt.Fprintln(cmd.ErrOrStderr(), "no statement waits")
		}
	}
	return out.Flush()
}

func runAllowHold(cmd *cobra.Command, s *settings, id string) (err error) {
	if id == "" {
		return usageError(errors.New("the ID is empty"))
	}
	j, err := openApprovals(cmd.Context(), s, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	h, err := j.HoldByID(cmd.Context(), id)
	if err != nil {
		return approvalError(err, "rowback allow holds --all")
	}
	now := time.Now()
	h.State = h.StateAt(now)
	return printHold(cmd.OutOrStdout(), s.Output, h, now)
}

// printHoldLine prints a hold in two lines: it is read by someone in a hurry,
// who wants to know all that matters.
func printHoldLine(out io.Writer, h *journal.Hold, now time.Time) error {
	_, err := fmt.Fprintf(out, holdLine+"    %s\n", h.ID, h.State, span(waited(h, now)), shortTime(h.Expires), holdRows(h),
		oneLine(h.User+"@"+h.Database, 24), oneLine(h.SQL, 60), oneLine(h.What+holdFrom(h)+holdAnswer(h), 240))
	return err
}

// holdAnswer is "; denied by alice: not now".
func holdAnswer(h *journal.Hold) string {
	if h.By == "" {
		return ""
	}
	answer := fmt.Sprintf("; %s by %s", h.State, h.By)
	if h.Reason != "" {
		answer += ": " + h.Reason
	}
	return answer
}

// holdFrom is ", from application psql at 192.0.2.7:5555".
func holdFrom(h *journal.Hold) string {
	switch {
	case h.Application != "" && h.Client != "":
		return ", from application " + h.Application + " at " + h.Client
	case h.Application != "":
		return ", from application " + h.Application
	case h.Client != "":
		return ", from " + h.Client
	}
	return ""
}

// holdRows is how many rows a held statement removes, as far as that is known.
func holdRows(h *journal.Hold) string {
	switch {
	case h.Uncounted:
		return "-"
	case h.AtLeast:
		return fmt.Sprintf("≥ %d", h.Rows)
	}
	return fmt.Sprint(h.Rows)
}

// waited is how long a hold has waited, or had when it was decided.
func waited(h *journal.Hold, now time.Time) time.Duration {
	end := now
	switch {
	case !h.Decided.IsZero():
		end = h.Decided
	case h.State != journal.Waiting:
		end = h.Expires
	}
	return max(end.Sub(h.Time), 0)
}

// printHold prints one hold in full.
func printHold(w io.Writer, output string, h *journal.Hold, now time.Time) error {
	if output == "json" {
		shown := *h
		shown.CancelKey = "" // whose it is, is for proxies
		return printLineJSON(w, shown)
	}
	out := bufio.NewWriter(w)
	field := func(name, value string) {
		if value = oneLine(value, 0); value != "" {
			fmt.Fprintf(out, "%-12s %s\n", name, value)
		}
	}
	field("hold", h.ID)
	state := string(h.State)
	if h.By != "" {
		state += " by " + h.By
	}
	if h.Reason != "" {
		state += ": " + h.Reason
	}
	field("state", state)
	field("why", h.What)
	field("rows", holdRows(h))
	field("rule", h.Rule)
	field("database", h.Database)
	field("user", h.User)
	field("application", h.Application)
	field("client", h.Client)
	field("proxy", h.Proxy)
	field("since", shortTime(h.Time))
	field("waited", span(waited(h, now)))
	field("until", shortTime(h.Expires))
	fmt.Fprintf(out, "statement\n")
	for line := range strings.Lines(strings.TrimSpace(h.SQL)) {
		fmt.Fprintf(out, "  %s\n", oneLine(line, 0))
	}
	return out.Flush()
}
