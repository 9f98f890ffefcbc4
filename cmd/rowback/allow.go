package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rowback/rowback/journal"
)

func newAllowCommand(s *settings) *cobra.Command {
	var g grantOptions
	var a answerOptions
	cmd := &cobra.Command{
		Use:   "allow [ID]",
		Short: "Lets an intended mass delete go over the limits",
		Long: `Grants an allowance: for a time, transactions like these may remove so many rows
together, cascades included, whatever the limits say. Every transaction that goes
over a limit under it is recorded with it. Once its rows are used up, its time is
over, or it is revoked, the limits hold again; a transaction that is rolled back
gives back what it used.

With the ID of a statement that is held (a rule of mode hold), or its beginning,
lets that statement go on; 'rowback deny ID' refuses it.

The journal says what is allowed: give the one that the proxy writes.`,
		Example: `  rowback allow --rows 60000 --table orders --user app --for 10m --once --reason "GDPR batch 7"
  rowback allow --rows 5000 --table 'archive.*' --database shop --for 2h
  rowback allow list
  rowback allow revoke 01JY2M
  rowback allow explain "DELETE FROM orders WHERE is_test"
  rowback allow holds
  rowback allow 01JY2M --reason "agreed with the on-call"`,
		Args: atMostOne,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				a.apply(&g)
				return runGrant(cmd, s, g)
			}
			if name := grantFlag(cmd.Flags()); name != "" {
				return usageError(fmt.Errorf("--%s is for an allowance, and %q names a statement that waits: give one of them", name, args[0]))
			}
			return runAnswer(cmd, s, a, args[0], journal.Granted)
		},
	}
	g.addFlags(cmd.Flags())
	a.addFlags(cmd.Flags())
	cmd.AddCommand(
		newAllowExplainCommand(s),
		newAllowHoldsCommand(s),
		newAllowListCommand(s),
		newAllowRevokeCommand(s),
	)
	return cmd
}

// openApprovals opens the journal that a proxy writes; reader: it need not be written.
func openApprovals(ctx context.Context, s *settings, reader bool) (journal.Journal, error) {
	return s.openJournal(ctx, journal.Options{MustExist: true, Reader: reader})
}

// approvalError says what to do about an ID that names nothing, or several.
func approvalError(err error, list string) error {
	switch {
	case errors.Is(err, journal.ErrAmbiguous):
		return usageError(fmt.Errorf("%w; give more of it", err))
	case errors.Is(err, journal.ErrNotFound):
		return usageError(fmt.Errorf("%w; `%s` lists them", err, list))
	}
	return err
}

// printLineJSON prints v as one line of JSON.
func printLineJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// byFlag adds --by.
func byFlag(f *pflag.FlagSet, by *string) {
	f.StringVar(by, "by", "", "`NAME` of who decides this (default: the user of the operating system)")
}

// whoami is who is on record for a decision: by, if given, else the user of the
// operating system, and behind sudo the one who called it.
func whoami(by string, env environment) string {
	if by = strings.TrimSpace(by); by != "" {
		return by
	}
	name := fmt.Sprintf("uid %d", os.Getuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if sudo := env["SUDO_USER"]; sudo != "" && sudo != name {
		return fmt.Sprintf("%s (as %s)", sudo, name)
	}
	return name
}
