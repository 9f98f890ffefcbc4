package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// newRootCommand builds the whole command tree. started is set once a command
// line is accepted; an error before that is wrong usage.
func newRootCommand(env environment, started *bool) *cobra.Command {
	s := newSettings(env)
	root := &cobra.Command{
		Use:   "rowback",
		Short: "Stops mass deletes in PostgreSQL and restores what they removed",
		Long: `rowback is a PostgreSQL proxy that counts the rows a statement really removes,
cascades included, stops or reports what goes over a limit, keeps durable
evidence of every deleted primary key, and restores exactly those rows.

Settings come from flags, then ROWBACK_* in the environment (--tls-cert is
ROWBACK_TLS_CERT), then the configuration file (YAML, keys named as the flags),
then defaults. 'rowback help configuration' prints a file with every key explained.

Exit codes:
  0  done
  1  failed
  2  wrong usage or configuration
  3  done, but with rows that could not be restored or checks that found problems
  4  refused for want of confirmation or privilege`,
		Example: `  rowback demo
  rowback proxy --upstream db.internal:5432
  rowback log --since 2h
  rowback restore 01JY2M --recovery postgres://recovery.internal/shop`,
		SilenceErrors: true,
		SilenceUsage:  true,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			// cobra would check these later, when they can no longer be told from
			// failures of the command itself.
			if err := cmd.ValidateRequiredFlags(); err != nil {
				return err
			}
			if err := cmd.ValidateFlagGroups(); err != nil {
				return err
			}
			*started = true
			if needsNoSettings(cmd) {
				return nil
			}
			return s.loadFor(cmd)
		},
	}
	b := thisBuild()
	root.Version = fmt.Sprintf("%s (%s, %s)", b.Version, b.Go, b.System)
	root.SetVersionTemplate("rowback {{.Version}}\n")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err) })
	s.addCommonFlags(root.PersistentFlags())
	root.AddCommand(
		newAllowCommand(s),
		newBackupCommand(s),
		newCheckCommand(s),
		newDemoCommand(),
		newDenyCommand(s),
		newDiffCommand(s),
		newDoctorCommand(s),
		newDrillCommand(s),
		newGraphCommand(s),
		newJournalCommand(s),
		newLogCommand(s),
		newProtectCommand(s),
		newProxyCommand(s),
		newRestoreCommand(s),
		newVersionCommand(s),
		newConfigurationTopic(),
	)
	s.strict(root)
	s.hinting(root)
	return root
}

// needsNoSettings: these work whatever the configuration file says.
func needsNoSettings(cmd *cobra.Command) bool {
	if _, help := cmd.Annotations[group]; help {
		return true
	}
	for c := cmd; c != nil; c = c.Parent() {
		switch c.Name() {
		case "version", "completion", "help", "demo":
			return true
		}
	}
	return false
}

// loadFor is load. A mistake in the rules does not stop a command that uses none:
// they are for the proxy, and the journal is to be read whatever they say.
func (s *settings) loadFor(cmd *cobra.Command) error {
	err := s.load(cmd.Flags())
	if err == nil || !needsNoRules(cmd) {
		return err
	}
	if policy := (*policyError)(nil); errors.As(err, &policy) {
		fmt.Fprintf(cmd.ErrOrStderr(), "rowback: the rules are left aside, %s uses none: %v\n", cmd.CommandPath(), err)
		return nil
	}
	if s.ConfigFile != "" && strings.HasPrefix(err.Error(), s.ConfigFile+":") {
		return withCode(exitCode(err), fmt.Errorf("%w; to go on without this file give --config %s and what it would say: --journal, --production, --recovery", err, os.DevNull))
	}
	return err
}

// needsNoRules: these do the same whatever the rules and defaults are.
func needsNoRules(cmd *cobra.Command) bool {
	for c := cmd; c != nil; c = c.Parent() {
		switch c.Name() {
		case "explain", "compact":
			return false
		case "allow", "backup", "check", "deny", "diff", "graph", "journal", "log", "restore":
			return true
		}
	}
	return false
}
