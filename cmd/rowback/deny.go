package main

import (
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
)

func newDenyCommand(s *settings) *cobra.Command {
	var o answerOptions
	cmd := &cobra.Command{
		Use:   "deny ID",
		Short: "Refuses a statement that waits for an answer",
		Long: `Refuses the held statement with this ID, or beginning of an ID ('rowback allow
holds' lists them). Its client gets the same error as for a blocked statement,
with who denied it and the reason. 'rowback allow ID' lets it go on.`,
		Example: `  rowback deny 01JY2M
  rowback deny 01JY2M --reason "not during the sale; run it tonight"`,
		Args: oneArg("which statement? Give the ID that it waits under; `rowback allow holds` lists them"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return runAnswer(cmd, s, o, args[0], journal.Denied)
		},
	}
	o.addFlags(cmd.Flags())
	return cmd
}
