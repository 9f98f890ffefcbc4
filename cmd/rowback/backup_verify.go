package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

// backupVerifyOptions are the flags of `rowback backup verify`.
type backupVerifyOptions struct {
	backupLoadOptions
	maxAge  string
	entries int
}

func newBackupVerifyCommand(s *settings) *cobra.Command {
	var o backupVerifyOptions
	cmd := &cobra.Command{
		Use:   "verify DUMP|recovery|URL",
		Short: "Proves that a dump, or a recovery database, is usable",
		Long: `Proves that a restore could be made from a dump or a recovery database:

  a dump is restored into a scratch database, which is dropped afterwards, and
  holds every table that the dump lists and as many rows as the dump has
  it holds rows at all
  the checks of 'rowback check' find no problem, your own included
  how old the newest row is; with --max-age, that it is not older
  how many rows of the journal's newest deletions it could bring back; none of a
  newer one is a warning alone, since rows made after the backup cannot be in it

For cron: nothing is asked, and the exit code says it all. A recovery database
is only read.

Exit codes: 0 usable; 3 problems, all listed; 1 it could not be restored, or the
server could not be reached; 2 wrong usage; 4 a privilege is missing.`,
		Example: `  rowback backup verify shop.dump --server postgres://recovery.internal/postgres --max-age 26h
  rowback backup verify recovery --output json
  rowback backup verify postgres://recovery.internal/shop`,
		Args: oneArg("verify what? Give a dump, or recovery, or the URL of a database"),
		RunE: func(cmd *cobra.Command, args []string) error { return runBackupVerify(cmd, s, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "", "where a dump is restored: `URL` of any database of that server (default: the recovery database's)")
	f.IntVarP(&o.jobs, "jobs", "j", 1, "restore custom and directory dumps by `N` connections")
	f.StringVar(&o.maxAge, "max-age", "", "it is a problem if the newest row is older than `DURATION`, such as 26h or 2d")
	f.IntVar(&o.entries, "entries", 20, "look up the keys of the journal's `N` newest deletions")
	return cmd
}

func runBackupVerify(cmd *cobra.Command, s *settings, o backupVerifyOptions, args []string) (err error) {
	ctx := cmd.Context()
	options := backup.VerifyOptions{Jobs: o.jobs, BinDir: s.env["PGBIN"], Queries: s.checks, Entries: o.entries, Progress: progress(cmd)}
	if o.maxAge != "" {
		if options.MaxAge, err = parseAgo(o.maxAge); err != nil || options.MaxAge <= 0 {
			return usageError(fmt.Errorf("--max-age: %q is no duration such as 26h or 2d", o.maxAge))
		}
	}
	if o.entries < 0 {
		return usageError(fmt.Errorf("--entries: %d is below zero", o.entries))
	}
	if args[0] == "recovery" || strings.Contains(args[0], "://") {
		if name := firstGiven(cmd.Flags(), "server", "jobs"); name != "" {
			return usageError(fmt.Errorf("--%s is for restoring a dump, and %s is a database that is there: leave it out", name, redact(args[0])))
		}
		if _, options.URL, err = s.database(args); err != nil {
			return err
		}
	} else {
		if err := o.check(s); err != nil {
			return err
		}
		options.Dump, options.Server = args[0], connString(o.server)
	}
	j, err := s.openJournal(ctx, journal.Options{MustExist: true, Reader: true})
	switch {
	case err == nil:
		defer func() { err = errors.Join(err, j.Close()) }()
		options.Journal = j
		if config, err := pgconn.ParseConfig(connString(s.Production)); err == nil {
			options.Database = config.Database
		}
	case !errors.Is(err, journal.ErrNoJournal):
		return err
	case o.entries > 0 && cmd.Flags().Changed("entries"):
		return usageError(fmt.Errorf("--entries: %w", err))
	}
	report, err := backup.Verify(ctx, options)
	if err != nil {
		if strings.Contains(args[0], "://") {
			err = recovery.CheckInstead(err, "recovery", "its URL")
		}
		return recoveryError(o.hinted(err, cmd))
	}
	if err := printAs(cmd.OutOrStdout(), s.Output, report); err != nil {
		return err
	}
	if !report.Usable() {
		return problemsError(errors.New("it is not usable as it is; the problems are listed"))
	}
	return nil
}
