package main

import (
	"bufio"
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// runUndo is `rowback restore --undo`.
func runUndo(cmd *cobra.Command, s *settings, o restoreOptions, ids []string) (err error) {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	asks, config, err := o.begin(cmd, s)
	if err != nil {
		return err
	}
	j, err := s.openJournal(ctx, journal.Options{MustExist: true, Reader: o.dryRun})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	options := recovery.UndoOptions{
		Production: connString(s.Production), Journal: j, IDs: ids, Config: config, DryRun: o.dryRun, LockTimeout: o.lockTimeout,
		Progress: progress(cmd),
	}
	if asks {
		options.Confirm = func(ctx context.Context, plan *recovery.UndoReport) (bool, error) {
			plan.WriteText(stderr)
			return confirm(ctx, cmd.InOrStdin(), stderr, "\nRemove these rows?")
		}
	}
	report, err := recovery.Undo(ctx, options)
	if report != nil {
		out := bufio.NewWriter(cmd.OutOrStdout())
		if s.Output == "json" {
			err = errors.Join(err, report.WriteJSON(out))
		} else {
			report.WriteText(out)
		}
		err = errors.Join(err, out.Flush())
	}
	switch {
	case err != nil:
		return restoreError(err)
	case !report.Complete():
		return problemsError(errors.New("not everything that the restore brought could be taken back; what stays is listed in the report"))
	}
	return nil
}
