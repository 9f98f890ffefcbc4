package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// noArgs says of arguments to a command that takes none what is wrong.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	return fmt.Errorf("%s takes no arguments, and was given %q", cmd.CommandPath(), args)
}

// oneArg wants exactly one argument; question asks for it.
func oneArg(question string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return fmt.Errorf("%s", question)
		}
		return atMostOne(cmd, args)
	}
}

// atMostOne refuses a second argument.
func atMostOne(cmd *cobra.Command, args []string) error {
	if len(args) < 2 {
		return nil
	}
	return fmt.Errorf("%s takes one argument, and was given %d: %q", cmd.CommandPath(), len(args), args)
}

// finishRoot is finish for the whole tree, with cobra's command for completion,
// which keeps the output that root has by now.
func finishRoot(root *cobra.Command) {
	root.InitDefaultCompletionCmd()
	root.InitDefaultHelpCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Short = "Prints what makes a shell complete rowback's commands and flags"
			c.Example = "  source <(rowback completion bash)\n  rowback completion zsh > \"${fpath[1]}/_rowback\""
		}
		if print := c.Run; c.Name() == "help" && print != nil {
			c.Run, c.RunE = nil, func(c *cobra.Command, args []string) error {
				if of, rest, err := root.Find(args); err != nil || of == root && len(args) > 0 {
					return usageError(ofThese(root, args))
				} else if _, group := of.Annotations[group]; group && len(rest) > 0 {
					return usageError(ofThese(of, rest))
				}
				print(c, args)
				return nil
			}
		}
	}
	finish(root)
}

// group marks commands that only have others below them.
const group = "group"

// finish gives every command below cmd what cobra leaves out. A command that
// has only others below it refuses the name of none of them, where cobra prints
// help and reports success, to cron also. A flag with few values completes to them.
func finish(cmd *cobra.Command) {
	for _, c := range cmd.Commands() {
		finish(c)
	}
	if cmd.HasParent() && cmd.HasSubCommands() && !cmd.Runnable() {
		cmd.Args = ofThese
		cmd.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		cmd.DisableFlagsInUseLine = true
		cmd.Annotations = map[string]string{group: ""}
	}
	complete := func(f *pflag.Flag) {
		name, _ := pflag.UnquoteUsage(f)
		if values := strings.Split(name, "|"); len(values) > 1 {
			_ = cmd.RegisterFlagCompletionFunc(f.Name, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp)) // fails if it is there
		}
	}
	cmd.LocalFlags().VisitAll(complete)
}

// ofThese refuses an argument to a command that only has others below it.
func ofThese(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	var names []string
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	hint := "there are: " + strings.Join(names, ", ")
	if near := yamlstrict.Nearest(args[0], names); near != "" {
		hint = "did you mean " + near + "?"
	}
	return fmt.Errorf("unknown command %q for %q; %s", args[0], cmd.CommandPath(), hint)
}
