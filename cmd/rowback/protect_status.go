package main

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/guard/protect"
)

func newProtectStatusCommand(s *settings) *cobra.Command {
	var tables []string
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Shows what is guarded, and what is not covered",
		Long: `Shows, table by table, the guard in the production database: its limits, the
partitions covered, and what is amiss: triggers that are missing or disabled,
partitions and referencing tables that came later, columns changed since.

Exit codes: 0 all shown is covered; 3 it is not ('rowback protect install' mends
it); 2 wrong request; 1 failed.`,
		Example: `  rowback protect status
  rowback protect status --table orders --output json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return withProduction(cmd.Context(), s, connectTime, func(ctx context.Context, conn *pgx.Conn) error {
				status, err := protect.ReadStatus(ctx, conn, tables)
				if err != nil {
					return protectError(err)
				}
				if err := printAs(cmd.OutOrStdout(), s.Output, status); err != nil {
					return err
				}
				if !status.OK() {
					return problemsError(errors.New("not everything is covered; 'rowback protect install' mends what is listed"))
				}
				return nil
			})
		},
	}
	cmd.Flags().StringArrayVar(&tables, "table", nil, "only `TABLE` and what follows it: name or schema.name; may be given several times")
	return cmd
}
