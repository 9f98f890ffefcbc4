package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/recovery"
)

func newProtectCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "protect",
		Short: "Guards tables by triggers, for connections that go around the proxy",
		Long: `Installs triggers in the production database that hold the limits for
connections which do not come through the proxy, and keep the keys of what these
remove, in the schema rowback of the database itself. 'rowback log' and 'rowback
restore' bring that evidence into the journal.

What comes through the proxy is the proxy's to judge: the triggers leave it alone
(the proxy's control connection has to be let read the secret: --proxy-role).`,
		Example: `  rowback protect install --table orders --threshold 500
  rowback protect status
  rowback protect remove --table orders`,
	}
	cmd.AddCommand(newProtectInstallCommand(s), newProtectStatusCommand(s), newProtectRemoveCommand(s), newProtectCollectCommand(s))
	return cmd
}

// withProduction runs do on a straight connection to production, for which it
// waits at most so long.
func withProduction(ctx context.Context, s *settings, wait time.Duration, do func(context.Context, *pgx.Conn) error) (err error) {
	cfg, err := pgx.ParseConfig(connString(s.Production))
	if err != nil {
		return usageError(fmt.Errorf("production: %s cannot be used: %s", redact(s.Production), parseReason(err)))
	}
	if cfg.RuntimeParams["application_name"] == "" {
		cfg.RuntimeParams["application_name"] = "rowback protect"
	}
	if cfg.ConnectTimeout == 0 || cfg.ConnectTimeout > wait {
		cfg.ConnectTimeout = wait
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return recovery.ConnectError("production", err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	return do(ctx, conn)
}

// connectTime is how long commands wait for a server that they are about.
const connectTime = 10 * time.Second

// protectError gives an error of protect its exit code.
func protectError(err error) error {
	var request *protect.RequestError
	var denied *protect.DeniedError
	switch {
	case errors.As(err, &request):
		return usageError(err)
	case errors.As(err, &denied):
		return refusedError(fmt.Errorf("%w; name one that may with --production", err))
	}
	return err
}

// printPlan prints what was, or would be, done; notes go to people.
func printPlan(cmd *cobra.Command, s *settings, p *protect.Plan) error {
	if s.Output != "json" {
		for _, n := range p.Notes {
			fmt.Fprintln(cmd.ErrOrStderr(), "rowback: "+n)
		}
	}
	return printAs(cmd.OutOrStdout(), s.Output, p)
}
