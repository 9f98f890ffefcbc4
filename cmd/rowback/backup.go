package main

import (
	"errors"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/backup"
)

func newBackupCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "backup",
		Short: "Makes a recovery database out of a dump, and proves that a dump is usable",
		Example: `  rowback backup load shop.dump --server postgres://recovery.internal/postgres --jobs 4
  rowback backup verify shop.dump --server postgres://recovery.internal/postgres`,
	}
	cmd.AddCommand(newBackupLoadCommand(s), newBackupVerifyCommand(s))
	return cmd
}

// backupLoadOptions are the flags of `rowback backup load`.
type backupLoadOptions struct {
	server, name string
	jobs         int
}

func (o *backupLoadOptions) check(s *settings) error {
	if o.server == "" {
		o.server = s.Recovery
	}
	switch {
	case o.server == "":
		return usageError(errors.New("which server takes the database? Name any database of it with --server, or as recovery in the configuration file"))
	case o.jobs < 1:
		return usageError(errors.New("--jobs must be above zero"))
	}
	return usageError(checkServer(o.server))
}

// hinted is err, of a connection to where a dump is restored.
func (o *backupLoadOptions) hinted(err error, cmd *cobra.Command) error {
	if cmd.Flags().Changed("server") {
		return recovery.CheckInstead(err, "recovery", "--server")
	}
	return err
}

func newBackupLoadCommand(s *settings) *cobra.Command {
	var o backupLoadOptions
	cmd := &cobra.Command{
		Use:   "load DUMP",
		Short: "Restores a dump into a new recovery database",
		Long: `Restores a dump (custom, directory, tar, or plain SQL, which may be gzipped) into
a database that it creates for the purpose, named for the incident, and marks it
read-only. It never restores into a database that is there, whatever database
the dump itself names. If the load fails, the new database is dropped.

Owners, privileges, tablespaces, publications and subscriptions are left out.
Archives need pg_restore, of the version of the pg_dump that made them or newer:
it is taken from $PGBIN, else from the newest PostgreSQL found here. The receipt
is printed, kept as the database's comment, and, where there is a journal, as a
line of loads.jsonl in its directory.

The role needs CREATEDB, and must be superuser where the dump has extensions
that want it.

Exit codes: 0 loaded; 2 no dump, or the database is there already; 4 the role may not
make one; 1 failed.`,
		Example: `  rowback backup load shop.dump --server postgres://recovery.internal/postgres
  rowback backup load shop.dir --jobs 4 --name shop_before
  rowback backup load shop.sql.gz && rowback diff --recovery postgres://recovery.internal/recovery_db_incident_20261125_1930`,
		Args: oneArg("which dump? Give its file, or its directory"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.check(s); err != nil {
				return err
			}
			receipt, err := backup.Load(cmd.Context(), backup.LoadOptions{
				Dump: args[0], Server: connString(o.server), Name: o.name, Jobs: o.jobs, BinDir: s.env["PGBIN"], Receipts: s.journalDirectory(),
				Progress: progress(cmd),
			})
			if err != nil {
				return recoveryError(o.hinted(err, cmd))
			}
			return printAs(cmd.OutOrStdout(), s.Output, receipt)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.server, "server", "", "the server that takes it: `URL` of any database there (default: the recovery database's)")
	f.StringVar(&o.name, "name", "", "`NAME` of the new database (default recovery_db_incident_YYYYMMDD_HHMM, UTC)")
	f.IntVarP(&o.jobs, "jobs", "j", 1, "load custom and directory dumps by `N` connections")
	return cmd
}

// journalDirectory is where the journal is; "" if there is none, or no directory.
func (s *settings) journalDirectory() string {
	if strings.Contains(s.Journal, "://") {
		return ""
	}
	if info, err := os.Stat(s.Journal); err != nil || !info.IsDir() {
		return ""
	}
	return s.Journal
}
