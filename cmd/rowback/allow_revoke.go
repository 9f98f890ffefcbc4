package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
)

func newAllowRevokeCommand(s *settings) *cobra.Command {
	var by string
	cmd := &cobra.Command{
		Use:   "revoke ID",
		Short: "Ends an allowance before its time",
		Long: `Ends the allowance with this ID, or beginning of an ID: from now on no statement
goes over a limit by its leave. What has been removed under it stays removed
('rowback restore' brings it back).`,
		Example: `  rowback allow revoke 01JY2M`,
		Args:    oneArg("which allowance? Give its ID; `rowback allow list` lists them"),
		RunE:    func(cmd *cobra.Command, args []string) error { return runAllowRevoke(cmd, s, args[0], by) },
	}
	byFlag(cmd.Flags(), &by)
	return cmd
}

func runAllowRevoke(cmd *cobra.Command, s *settings, id, by string) (err error) {
	if id == "" {
		return usageError(errors.New("the ID is empty"))
	}
	j, err := openApprovals(cmd.Context(), s, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	now := time.Now().UTC()
	a, err := j.Revoke(cmd.Context(), id, whoami(by, s.env), now)
	if err != nil {
		return approvalError(err, "rowback allow list")
	}
	if !a.Revoked.Equal(now) {
		fmt.Fprintf(cmd.ErrOrStderr(), "it was revoked before; that stands\n")
	}
	return printAllowance(cmd.OutOrStdout(), s.Output, a, now)
}
