package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
	"github.com/rowback/rowback/recovery/diff"
)

// diffOptions are the flags of `rowback diff`.
type diffOptions struct {
	where, incidents []string
	rows             bool
	out              string
	jobs             int
}

func newDiffCommand(s *settings) *cobra.Command {
	var o diffOptions
	cmd := &cobra.Command{
		Use:   "diff [TABLE…]",
		Short: "Compares production with the recovery database by primary key",
		Long: `Compares production with the recovery database by primary key, the given tables
or all, and prints the impact: how many records are lost, of how many in the
backup. Each side is read in one snapshot and nothing is locked or written.

A row counts as lost if the backup has it, production has not, and the journal
knows of no committed deletion of it. Deletions on record are counted apart and
not proposed: restore them by ID, or name their IDs with --incident.

--out writes the keys to a new file; 'rowback restore --from-diff FILE' shows what it
would restore from it, asks, and restores. Look at it first: without a record,
rows that somebody deleted on purpose since the backup look lost too.

Links that a loss cut (ON DELETE SET NULL, SET DEFAULT) were of rows that are still
there: the report names the foreign keys, and --rows counts such rows as changed.

--where TABLE=CONDITION compares only rows that meet an SQL condition; a row that
production still has, but which meets it no longer, is not lost.

Exit codes: 0 nothing is lost; 3 rows or tables are lost; 2 wrong request or
databases; 4 a privilege is missing; 1 failed.`,
		Example: `  rowback diff --recovery postgres://recovery.internal/shop
  rowback diff orders payments --where "orders=created_at < '2026-11-20'" --out lost.json
  rowback restore --from-diff lost.json --recovery postgres://recovery.internal/shop
  rowback diff orders --rows --output json`,
		RunE: func(cmd *cobra.Command, args []string) error { return runDiff(cmd, s, o, args) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.where, "where", nil, "compare only rows of a table that meet a condition: `TABLE=CONDITION`; may be repeated")
	f.StringArrayVar(&o.incidents, "incident", nil, "propose what the journal's entry `ID` removed, too; may be repeated")
	f.BoolVar(&o.rows, "rows", false, "compare contents too, and count changed rows")
	f.StringVar(&o.out, "out", "", "write the keys to a new `FILE`, for restore --from-diff")
	f.IntVar(&o.jobs, "jobs", 4, "compare `N` tables at a time; each takes three connections")
	return cmd
}

func runDiff(cmd *cobra.Command, s *settings, o diffOptions, tables []string) (err error) {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	if s.Recovery == "" {
		return usageError(errors.New("no recovery database is given: name it with --recovery, or as recovery in the configuration file"))
	}
	if o.jobs < 1 {
		return usageError(errors.New("--jobs must be above zero"))
	}
	options := diff.Options{
		Production: connString(s.Production), Recovery: connString(s.Recovery), Tables: tables, Rows: o.rows,
		Out: o.out, Jobs: o.jobs, Progress: progress(cmd),
	}
	if options.Where, err = conditions(o.where); err != nil {
		return err
	}
	j, err := s.openJournal(ctx, journal.Options{MustExist: true, Reader: true})
	switch {
	case errors.Is(err, journal.ErrNoJournal) && len(o.incidents) == 0:
		fmt.Fprintf(stderr, "rowback: there is no journal at %s: deletions on record cannot be told from others\n", journals.Name(s.Journal))
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, j.Close()) }()
		options.Journal = j
	}
	for _, id := range o.incidents {
		e, err := entryNamed(ctx, j, id)
		if err != nil {
			return fmt.Errorf("--incident: %w", err)
		}
		options.Incidents = append(options.Incidents, e.ID)
	}
	report, err := diff.Run(ctx, options)
	if err != nil {
		return recoveryError(err)
	}
	if err := printAs(cmd.OutOrStdout(), s.Output, report); err != nil {
		return err
	}
	if !report.Clean() {
		return problemsError(errors.New("production lacks what the backup has; all of it is counted in the report"))
	}
	return nil
}

// conditions takes TABLE=CONDITION apart; a quoted name may hold a =.
func conditions(given []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range given {
		at, quoted := -1, false
		for i, r := range text {
			if r == '"' {
				quoted = !quoted
			}
			if r == '=' && !quoted {
				at = i
				break
			}
		}
		if at < 1 || strings.TrimSpace(text[at+1:]) == "" {
			return nil, usageError(fmt.Errorf("--where: %q is not of the form TABLE=CONDITION", text))
		}
		table := strings.TrimSpace(text[:at])
		if _, twice := out[table]; twice {
			return nil, usageError(fmt.Errorf("--where: there are two conditions for %s; join them with AND", table))
		}
		out[table] = text[at+1:]
	}
	return out, nil
}
