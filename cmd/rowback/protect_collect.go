package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/cobra"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/journal"
)

func newProtectCollectCommand(s *settings) *cobra.Command {
	var again bool
	var forget string
	cmd := &cobra.Command{
		Use:   "collect",
		Short: "Brings what the triggers recorded into the journal",
		Long: `Brings the committed deletions that the triggers have recorded in the production
database into the journal, each transaction as one entry, marked "in-database".
Nothing comes in twice. A running proxy with a control connection does this by
itself, and so do 'rowback log' and 'rowback restore' where a production server
is configured.`,
		Example: `  rowback protect collect --production postgres://postgres@db.internal/shop
  rowback protect collect --forget 90d
  rowback log --output json | jq 'select(.proxy == "in-database")'`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			var age time.Duration
			if forget != "" {
				if age, err = parseAgo(forget); err != nil || age < 0 {
					return usageError(fmt.Errorf("--forget: %q is no age such as 90d or 720h", forget))
				}
			}
			j, err := s.openJournal(cmd.Context(), journal.Options{})
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, j.Close()) }()
			return withProduction(cmd.Context(), s, connectTime, func(ctx context.Context, conn *pgx.Conn) error {
				done, err := protect.Collect(ctx, catalog.FromConn(conn), j, protect.CollectOptions{Journal: s.journalName(j), Again: again, Forget: age})
				if errors.Is(err, protect.ErrUnmarked) {
					fmt.Fprintf(cmd.ErrOrStderr(), "rowback: %v\n", err)
				} else if err != nil {
					return err
				}
				if s.Output == "json" {
					return json.NewEncoder(cmd.OutOrStdout()).Encode(done)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%d new deletions of %d rows\n", done.Entries, done.Rows)
				return err
			})
		},
	}
	cmd.Flags().StringVar(&forget, "forget", "", "then remove from the database what this journal has and is older than `AGE`, such as 90d")
	cmd.Flags().BoolVar(&again, "again", false, "look also at what this journal has collected before (it was lost, say)")
	return cmd
}

// collectTime bounds collecting on the way to something else.
const collectTime = 30 * time.Second

// collectFirst brings in what the triggers have recorded, where a production
// server was named, before the journal is read. What hinders it is told, in a
// line, and does no harm.
func collectFirst(cmd *cobra.Command, s *settings, j journal.Journal) {
	if s.origin["production"] == "" {
		return
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), collectTime)
	defer cancel()
	missing, mend := "deletions around the proxy", ""
	err := withProduction(ctx, s, 3*time.Second, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := protect.Collect(ctx, catalog.FromConn(conn), j, protect.CollectOptions{Journal: s.journalName(j)})
		if denied := new(pgconn.PgError); errors.As(err, &denied) && denied.Code == "42501" {
			mend = "; the owner of schema rowback brings them in: rowback protect collect"
			if on, err := protect.Guards(ctx, catalog.FromConn(conn)); err == nil && !on {
				missing = "no table has triggers any more; deletions that they recorded before"
				mend += ", then rowback protect remove --all --purge ends this"
			}
		}
		return err
	})
	if err != nil && cmd.Context().Err() == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "rowback: %s may be missing: %v%s\n", missing, err, mend)
	}
}
