package main

import (
	"errors"

	"github.com/spf13/cobra"
)

func newLogCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "log [ID]",
		Short: "Lists what the journal holds: deletions, blocks, alerts",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return errors.New("log: not available in this build")
		},
	}
}
