package main

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/guard/protect"
)

func newProtectRemoveCommand(s *settings) *cobra.Command {
	var o protect.RemoveOptions
	cmd := &cobra.Command{
		Use:   "remove",
		Short: "Takes the triggers off again",
		Long: `Takes the guard off the named tables, and off those that were guarded only
because they follow them. The evidence stays in the database, unless --purge takes
it away with the schema rowback; collect it first.

All is done in one transaction, or nothing; --dry-run prints it.

Exit codes: 0 done; 4 a privilege is missing; 2 wrong request; 1 failed.`,
		Example: `  rowback protect remove --table orders
  rowback protect remove --all --dry-run
  rowback protect collect && rowback protect remove --all --purge`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case o.All && len(o.Tables) > 0:
				return usageError(errors.New("give --table or --all, not both"))
			case !o.All && len(o.Tables) == 0:
				return usageError(errors.New("remove what? Give --table, or --all"))
			case o.LockTimeout <= 0:
				return usageError(errors.New("--lock-timeout must be above zero"))
			}
			return withProduction(cmd.Context(), s, connectTime, func(ctx context.Context, conn *pgx.Conn) error {
				p, err := protect.Remove(ctx, conn, o)
				if err != nil {
					return protectError(err)
				}
				if o.Purge && !o.DryRun && s.Output == "text" && len(p.SQL) > 0 {
					p.Notes = append(p.Notes, "the schema rowback is gone, with its evidence; what was collected is in the journal")
				}
				return printPlan(cmd, s, p)
			})
		},
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.Tables, "table", nil, "release `TABLE`: name or schema.name; may be given several times")
	f.BoolVar(&o.All, "all", false, "release every table")
	f.BoolVar(&o.Purge, "purge", false, "take away the evidence too, when no table stays guarded")
	f.DurationVar(&o.LockTimeout, "lock-timeout", 5*time.Second, "longest `WAIT` for a table")
	f.BoolVar(&o.DryRun, "dry-run", false, "print the SQL and change nothing")
	return cmd
}
