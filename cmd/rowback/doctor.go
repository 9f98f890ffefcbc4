package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/doctor"
)

// doctorOptions are the flags of `rowback doctor`.
type doctorOptions struct {
	alert bool
	sql   string // whose rules are asked for; "" : none
	whose explainOptions
}

func newDoctorCommand(s *settings) *cobra.Command {
	var o doctorOptions
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Checks all that a proxy and a restore need, and says the mend",
		Long: `Looks at the configuration, the upstream, production and the recovery database,
privileges, the journal, certificates, the admin endpoint and the alerts, and at
every table of production as a restore would: what would fail tonight is said
today, with the mend. Nothing is changed.

With --sql it also says which rules that statement falls under, and what they
would do, as "rowback allow explain" does; the statement is not run.

Run it where the proxy runs, as the user that the proxy runs as.

Exit codes: 0 all is well (✓), or there are notes (·) and warnings (!) only; 3 something will fail
(✗); 2 the configuration cannot be read; 1 failed.`,
		Example: `  rowback doctor
  rowback doctor --alert
  rowback doctor --sql "DELETE FROM orders WHERE is_test" --user gdpr
  rowback doctor --config /etc/rowback/rowback.yaml --output json
  rowback doctor --production postgres://restorer@db.internal/shop --recovery postgres://restorer@recovery.internal/shop`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return runDoctor(cmd, s, o) },
	}
	s.addProxyFlags(cmd.Flags())
	cmd.Flags().BoolVar(&o.alert, "alert", false, "send a test through every alert sink")
	cmd.Flags().StringVar(&o.sql, "sql", "", "say which rules `SQL` falls under")
	o.whose.addFlags(cmd.Flags(), "with --sql: ")
	return cmd
}

func runDoctor(cmd *cobra.Command, s *settings, o doctorOptions) error {
	if o.sql == "" {
		if name := firstGiven(cmd.Flags(), "user", "database", "application", "client", "table"); name != "" {
			return usageError(fmt.Errorf("--%s says whose statement it is: give the statement with --sql", name))
		}
	}
	sinks, err := s.alerts()
	if err != nil {
		return err
	}
	restore, err := s.restore()
	if err != nil {
		return err
	}
	key := s.journalKey
	if s.origin[keySetting] == "" {
		key = nil
	}
	report, err := doctor.Run(cmd.Context(), doctor.Options{
		ConfigFile: s.ConfigFile, Policy: s.rules, Listen: s.Listen,
		Upstream: connString(s.Upstream), Redacted: redact(s.Upstream), Control: namesUser(s.Upstream), ControlSettings: controlSettings,
		Production: connString(s.Production), Recovery: connString(s.Recovery), Journal: s.Journal,
		Admin: s.Admin, AdminClientCA: s.AdminClientCA, AdminTokens: func() error { _, err := s.adminAccess(); return err },
		TLSCert: s.TLSCert, TLSKey: s.TLSKey, TLSClientCA: s.TLSClientCA, RequireTLS: s.requireTLS(),
		MaxMemory: s.MaxMemory, Memory: s.overMemory(),
		JournalKey: key, JournalKeyFile: s.JournalKey,
		Restore: restore, Alerts: sinks, TestAlerts: o.alert,
	})
	if o.sql != "" && err == nil {
		if report.Rules, err = explained(cmd, s, o.whose, o.sql); err != nil {
			return err
		}
	}
	if printErr := printAs(cmd.OutOrStdout(), s.Output, report); printErr != nil {
		return errors.Join(err, printErr)
	}
	if err != nil {
		return err
	}
	if n := report.Count(doctor.Fail); n > 0 {
		return problemsError(fmt.Errorf("%d of %d checks failed; each says the mend", n, len(report.Checks)))
	}
	return nil
}
