package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/guard/protect"
)

// protectInstallOptions are the flags of `rowback protect install`.
type protectInstallOptions struct {
	protect.InstallOptions
	mode, drops string
	noCascades  bool
}

func newProtectInstallCommand(s *settings) *cobra.Command {
	var o protectInstallOptions
	cmd := &cobra.Command{
		Use:   "install",
		Short: "Installs the triggers, or brings them up to date",
		Long: `Guards the named tables in the production database, with their partitions, the
tables that inherit from them, and those that a DELETE on them cascades to. Over
the limit a statement fails with SQLSTATE RB001 (--mode block) or goes through
and is recorded as an alert (--mode alert). The limit holds for what one
statement, and one transaction, removes from guarded tables.

Run again it mends what is amiss, and covers what is new: partitions made since,
tables that reference a guarded one. Without --table it does so for all that is
guarded. Limits stay as they are unless they are given anew.

All is done in one transaction, or nothing; --dry-run prints it. The role must
own the tables; only a superuser can have DROP watched.

Exit codes: 0 done; 4 a privilege is missing; 2 wrong request; 1 failed.`,
		Example: `  rowback protect install --table orders
  rowback protect install --table shop.orders --table users --threshold 500 --mode alert
  rowback protect install --all --dry-run
  rowback protect install --proxy-role rowback_control
  rowback protect install`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runProtectInstall(cmd, s, o) },
	}
	f := cmd.Flags()
	f.StringArrayVar(&o.Tables, "table", nil, "guard `TABLE`: name or schema.name; may be given several times")
	f.BoolVar(&o.All, "all", false, "guard every table of the database")
	f.BoolVar(&o.noCascades, "no-cascades", false, "leave out the tables that a DELETE cascades to")
	f.Int64Var(&o.Threshold, "threshold", 0, "`ROWS` that one statement, and one transaction, may remove (default: as it is; for new tables the setting threshold)")
	f.StringVar(&o.mode, "mode", "", "what happens over it: `block|alert` (default: as it is; for new tables the setting mode)")
	f.StringVar(&o.drops, "drops", "auto", "watch DROP by an event trigger: `auto|on|off`")
	f.StringVar(&o.Proxy, "proxy-role", "", "let `ROLE`, that of the proxy's control connection, read what it needs (default: the upstream's)")
	f.BoolVar(&o.NewSecret, "new-secret", false, "make a new secret for the proxy's tickets: dumps of the database hold the old one")
	f.DurationVar(&o.LockTimeout, "lock-timeout", 5*time.Second, "longest `WAIT` for a table")
	f.BoolVar(&o.DryRun, "dry-run", false, "print the SQL and change nothing")
	return cmd
}

func runProtectInstall(cmd *cobra.Command, s *settings, o protectInstallOptions) error {
	switch {
	case o.All && len(o.Tables) > 0:
		return usageError(errors.New("give --table or --all, not both"))
	case o.noCascades && len(o.Tables) == 0:
		return usageError(errors.New("--no-cascades needs --table"))
	case cmd.Flags().Changed("threshold") && o.Threshold < 1:
		return usageError(fmt.Errorf("--threshold: %d is below one", o.Threshold))
	case o.LockTimeout <= 0:
		return usageError(errors.New("--lock-timeout must be above zero"))
	}
	if o.mode != "" {
		if err := checkOneOf(o.mode, "block", "alert"); err != nil {
			return usageError(fmt.Errorf("--mode: %w", err))
		}
	}
	if err := checkOneOf(o.drops, "auto", "on", "off"); err != nil {
		return usageError(fmt.Errorf("--drops: %w", err))
	}
	if o.drops != "auto" {
		o.Drops = protect.Drops(o.drops)
	}
	o.Mode, o.Alone = protect.Mode(o.mode), o.noCascades
	if upstream, err := pgx.ParseConfig(connString(s.Upstream)); o.Proxy == "" && namesUser(s.Upstream) && err == nil {
		o.Proxy, o.ProxyIfThere = upstream.User, true
	}
	// A trigger cannot hold a statement until somebody answers.
	o.Defaults = protect.Limits{Threshold: max(s.Threshold, 1), Mode: protect.Block}
	if s.Mode == "alert" {
		o.Defaults.Mode = protect.Alert
	}
	return withProduction(cmd.Context(), s, connectTime, func(ctx context.Context, conn *pgx.Conn) error {
		p, err := protect.Install(ctx, conn, o.InstallOptions)
		if err != nil {
			return protectError(err)
		}
		if o.Proxy == "" && s.origin["upstream"] != "" {
			p.Notes = append(p.Notes, "upstream has no role of the proxy's own: what comes through the proxy meets these limits, too, and no allowance helps there; give it one, and run this again")
		}
		return printPlan(cmd, s, p)
	})
}
