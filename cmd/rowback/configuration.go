package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/examples"
)

// newConfigurationTopic is `rowback help configuration`: it prints a file that
// works as it stands.
func newConfigurationTopic() *cobra.Command {
	topic := &cobra.Command{
		Use:   "configuration",
		Short: "A configuration file with every key explained: rowback help configuration > rowback.yaml",
		Long:  examples.Configuration,
	}
	topic.SetHelpFunc(func(cmd *cobra.Command, _ []string) { fmt.Fprint(cmd.OutOrStdout(), cmd.Long) })
	return topic
}
