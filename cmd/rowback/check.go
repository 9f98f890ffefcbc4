package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/recovery/check"
)

// checkOptions are the flags of `rowback check`.
type checkOptions struct {
	tables []string
	limit  int
	junit  string
}

func newCheckCommand(s *settings) *cobra.Command {
	var o checkOptions
	cmd := &cobra.Command{
		Use:   "check [production|recovery|URL]",
		Short: "Looks for dangling rows, duplicates and sequences that are behind",
		Long: `Checks a database (production, if none is named) in one read-only snapshot:

  foreign keys   rows that refer to no parent, also under NOT VALID constraints
  unique keys    values that are twice in spite of a unique index
  sequences      those that will hand out values which their column has
  your queries   'checks' in the configuration file: what a query returns is wrong

In the file:

  checks:
    - name: paid orders have a payment
      query: SELECT id FROM orders o WHERE paid AND NOT EXISTS (SELECT FROM payments WHERE order_id = o.id)
      limit: 20    # rows listed; all are counted

All is read from the tables themselves, past the indexes, so damaged ones hide
nothing; on a large database that takes its time. Nothing is written or locked.

Exit codes: 0 all is well; 3 problems were found, or a check could not be made,
as for want of a privilege (all are listed); 2 wrong usage; 1 failed.`,
		Example: `  rowback check
  rowback check recovery --table orders --table payments
  rowback check postgres://db.internal/shop --junit check.xml --output json`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error { return runCheck(cmd, s, o, args) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.tables, "table", nil, "check `TABLE` (name or schema.name) alone, without your queries; may be repeated")
	f.IntVar(&o.limit, "limit", 10, "list `N` rows of one problem; all are counted")
	f.StringVar(&o.junit, "junit", "", "write the results to `FILE` too, as JUnit XML")
	return cmd
}

func runCheck(cmd *cobra.Command, s *settings, o checkOptions, args []string) error {
	if o.limit < 1 {
		return usageError(errors.New("--limit must be above zero"))
	}
	name, url, err := s.database(args)
	if err != nil {
		return err
	}
	junit, err := openOut("junit", o.junit)
	if err != nil {
		return err
	}
	defer junit.discard()
	report, err := check.Run(cmd.Context(), check.Options{
		Name: name, URL: url, Tables: o.tables, Queries: s.checks, Limit: o.limit,
		Progress: progress(cmd),
	})
	if err != nil {
		return recoveryError(err)
	}
	if err := errors.Join(printAs(cmd.OutOrStdout(), s.Output, report), junit.write(report.WriteJUnit)); err != nil {
		return err
	}
	if !report.Clean() {
		for _, r := range report.Results {
			if strings.Contains(r.Detail, "permission denied for") {
				return problemsError(errors.New("not all is well; the problems are listed; let the role read: " + readEverything))
			}
		}
		return problemsError(errors.New("not all is well; the problems are listed"))
	}
	return nil
}

// database is the one that a command is asked to look at: the name that errors
// give it, and where it is.
func (s *settings) database(args []string) (name, url string, err error) {
	if len(args) == 0 {
		return "production", connString(s.Production), nil
	}
	switch args[0] {
	case "production":
		return args[0], connString(s.Production), nil
	case "recovery":
		if s.Recovery == "" {
			return "", "", usageError(errors.New("no recovery database is given: name it with --recovery, or as recovery in the configuration file"))
		}
		return args[0], connString(s.Recovery), nil
	}
	if err := checkServer(args[0]); err != nil {
		return "", "", usageError(fmt.Errorf("which database? Say production, recovery, or its URL: %w", err))
	}
	return given, connString(args[0]), nil
}

// given is what errors call a database whose URL is an argument.
const given = "given"

// printable is a report that can be printed for people and for programs.
type printable interface {
	WriteText(io.Writer)
	WriteJSON(io.Writer) error
}

func printAs(w io.Writer, output string, r printable) error {
	if output == "json" {
		return r.WriteJSON(w)
	}
	out := bufio.NewWriter(w)
	r.WriteText(out)
	return out.Flush()
}
