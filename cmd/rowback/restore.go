package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
)

// restoreOptions are the flags of `rowback restore`.
type restoreOptions struct {
	filterFlags
	keys        string
	fromDiff    string
	withParents bool
	noImages    bool
	partial     bool
	onDifferent string
	undo        bool
	dryRun, yes bool
	batch       int64
	lockTimeout time.Duration
}

func newRestoreCommand(s *settings) *cobra.Command {
	var o restoreOptions
	cmd := &cobra.Command{
		Use:   "restore [ID…]",
		Short: "Brings back the rows that a deletion removed",
		Long: `Brings back exactly the rows that the deletions with these IDs (or unique
beginnings of them) removed: takes them from their images in the journal where
it has those (capture: rows), else by key from the recovery database, inserts
them into production in one transaction, and verifies every row and foreign key
before it commits. Rows that are there are never changed; links that the deletion
set to NULL are restored where they still are. What cannot be restored is listed,
with the reason.

Instead of IDs, a filter selects whole committed deletions, or --table with
--keys takes keys from a file: JSON objects such as {"id":42}, what 'rowback log
ID --keys --output json' prints (of it, the keys of that table), or CSV with a
header; --from-diff takes what a file of 'rowback diff --out' proposes.

The recovery database is only read. It may be a standby. Without one only rows
that the journal has images of come back; the others are listed. If the images are
encrypted, --journal-key names the file of their key; --no-images needs none.

--undo takes a restore back: it removes exactly the rows that it inserted and
that nobody has touched since, and cuts the links that it restored; rows that
others refer to by now stay and are listed. It needs no recovery database.

Where the two schemas have drifted apart, the configuration says what has become
of a table or column, and what new columns get, under the key restore; see
'rowback help configuration'. A new rule (NOT NULL, CHECK) that rows would break, or a type they
do not fit, is refused by name before anything is written.

Exit codes: 0 every row is back; 3 done, and some rows could not be restored;
4 not confirmed, or a privilege is missing; 2 wrong request or databases;
1 failed. With 1, 2 and 4 nothing was written, unless the message says that the
connection broke at COMMIT and it is not known, or, with --batch, how much is
back already.`,
		Example: `  rowback restore 01JY2M --recovery postgres://recovery.internal/shop --dry-run
  rowback restore 01JY2M --journal-key /etc/rowback/journal.key   # from images alone
  rowback restore 01JY2M 01JY2P --recovery postgres://recovery.internal/shop --yes
  rowback restore --since 2h --user batch --recovery postgres://recovery.internal/shop
  rowback restore --table orders --keys lost.csv --recovery postgres://recovery.internal/shop
  rowback restore --from-diff lost.json --recovery postgres://recovery.internal/shop
  rowback restore --undo 01JY3A --dry-run`,
		RunE: func(cmd *cobra.Command, args []string) error { return runRestore(cmd, s, o, args) },
	}
	f := cmd.Flags()
	f.StringVar(&o.since, "since", "", "deletions not before `TIME`: RFC 3339, a date (UTC), or a duration ago such as 90m, 2h or 7d")
	f.StringVar(&o.until, "until", "", "deletions not after `TIME`, likewise")
	f.StringVar(&o.table, "table", "", "deletions that touched `TABLE` (name or schema.name), with all that they removed; with --keys the table of the keys")
	f.StringVar(&o.user, "user", "", "deletions by database user `NAME`")
	f.StringVar(&o.database, "database", "", "deletions in database `NAME`")
	f.StringVar(&o.application, "application", "", "deletions by application_name `NAME`")
	f.StringVar(&o.keys, "keys", "", "restore the rows of --table whose keys are in `FILE`")
	f.StringVar(&o.fromDiff, "from-diff", "", "restore the lost rows in `FILE`, made by rowback diff --out")
	f.BoolVar(&o.withParents, "with-parents", false, "bring back parents that are gone too, though these deletions did not remove them")
	f.BoolVar(&o.noImages, "no-images", false, "take every row from the recovery database, also where the journal has its image")
	f.BoolVar(&o.partial, "partial", false, "restore what of an entry is on record by key, and list the rest; without, an entry that has rows without keys is refused")
	f.BoolVar(&o.undo, "undo", false, "take restores back: the IDs are those of the restores' own entries")
	f.StringVar(&o.onDifferent, "on-different", "report", "rows that are in production with other values now: `report|skip|fail`: list them, only count them, or write nothing at all if there is one")
	f.BoolVar(&o.dryRun, "dry-run", false, "print the plan and change nothing")
	f.BoolVarP(&o.yes, "yes", "y", false, "do not ask")
	f.Int64Var(&o.batch, "batch", 0, "commit after each step of the plan, and within a table after about `ROWS`; run again, a restore that was stopped goes on (default: one transaction)")
	f.DurationVar(&o.lockTimeout, "lock-timeout", 5*time.Second, "longest `WAIT` for a lock on production")
	return cmd
}

func runRestore(cmd *cobra.Command, s *settings, o restoreOptions, ids []string) (err error) {
	ctx, stderr := cmd.Context(), cmd.ErrOrStderr()
	filter, err := o.filter(time.Now())
	if err != nil {
		return err
	}
	if err := o.check(filter, ids); err != nil {
		return usageError(err)
	}
	if o.undo {
		return runUndo(cmd, s, o, ids)
	}
	if s.Recovery == "" && (o.keys != "" || o.fromDiff != "" || o.noImages) {
		return usageError(errors.New("no recovery database is given: name it with --recovery, or as recovery in the configuration file"))
	}
	asks, config, err := o.begin(cmd, s)
	if err != nil {
		return err
	}
	options := recovery.Options{
		Production: connString(s.Production), Recovery: connString(s.Recovery),
		Config: config, OnDifferent: recovery.OnDifferent(o.onDifferent), WithParents: o.withParents, NoImages: o.noImages, Partial: o.partial, DryRun: o.dryRun, LockTimeout: o.lockTimeout, Batch: o.batch,
		Progress: progress(cmd),
	}
	// A file of keys needs the journal only to put the restore on record.
	byFile := o.keys != "" || o.fromDiff != ""
	if !byFile || !o.dryRun {
		var key []byte
		if !byFile && !o.noImages {
			if key, err = s.journalKey(); err != nil {
				return s.orNoImages(err)
			}
		}
		j, err := s.openJournal(ctx, journal.Options{MustExist: !byFile, Reader: o.dryRun, Key: key})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, j.Close()) }()
		options.Journal = j
		if o.keys == "" && !o.dryRun {
			collectFirst(cmd, s, j)
		}
	}
	if options.Source, err = o.source(ctx, options.Journal, filter, ids); err != nil {
		return restoreError(err)
	}
	if asks {
		options.Confirm = func(ctx context.Context, p *recovery.Plan) (bool, error) {
			p.Write(stderr)
			return confirm(ctx, cmd.InOrStdin(), stderr, "\nRestore these rows?")
		}
	}
	report, err := recovery.Restore(ctx, options)
	if report != nil {
		if printErr := printReport(cmd.OutOrStdout(), report, s.Output); printErr != nil {
			return errors.Join(err, printErr)
		}
	}
	switch {
	case errors.Is(err, journal.ErrSealed):
		return s.orNoImages(restoreError(err))
	case err != nil:
		return restoreError(err)
	case !report.Complete():
		return problemsError(errors.New("not every row could be restored, or something is left to mend; all of it is listed in the report"))
	}
	return nil
}

// orNoImages adds to an error of the journal's key the way without it.
func (s *settings) orNoImages(err error) error {
	way := "or take every row from the recovery database, with --no-images"
	if s.Recovery == "" {
		way = "or take every row from a recovery database, with --recovery and --no-images"
	}
	return withCode(exitCode(err), fmt.Errorf("%w; %s", err, way))
}

// begin says where production is by default, reads what the file says about
// restores, and settles whether a person is asked.
func (o restoreOptions) begin(cmd *cobra.Command, s *settings) (asks bool, config *recovery.Config, err error) {
	if s.origin["production"] == "" && s.origin["upstream"] == "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "rowback: neither --production nor --upstream is given: production is the default, %s\n", s.Production)
	}
	if config, err = s.restore(); err != nil {
		return false, nil, err
	}
	asks = isTerminal(cmd.InOrStdin()) && !o.yes && !o.dryRun
	if !asks && !o.yes && !o.dryRun {
		return false, nil, refusedError(errors.New("restore writes to production and there is no terminal to ask on: give --yes to go ahead, or --dry-run to see the plan"))
	}
	return asks, config, nil
}

// check refuses requests that are none, or two at once.
func (o restoreOptions) check(f journal.Filter, ids []string) error {
	filtered := f != (journal.Filter{})
	switch {
	case o.fromDiff != "" && (o.keys != "" || len(ids) > 0 || filtered):
		return errors.New("--from-diff goes alone, without IDs, --keys or filters")
	case o.keys != "" && o.table == "":
		return errors.New("--keys needs --table: the keys of which table?")
	case o.keys != "" && (len(ids) > 0 || f != (journal.Filter{Table: f.Table})):
		return errors.New("--keys goes with --table alone, without IDs or other filters")
	case o.undo && (len(ids) == 0 || filtered || o.keys != "" || o.fromDiff != "" || o.withParents || o.noImages || o.partial || o.batch != 0 || o.onDifferent != "report"):
		return errors.New("--undo takes the IDs of restores (`rowback log` lists them), and nothing else but --dry-run, --yes and --lock-timeout")
	case len(ids) > 0 && filtered:
		return errors.New("give IDs or a filter, not both")
	case len(ids) == 0 && !filtered && o.fromDiff == "":
		return errors.New("restore what? Give the ID of a deletion (`rowback log` lists them), a filter, or --table with --keys")
	case !slices.Contains([]string{"report", "skip", "fail"}, o.onDifferent):
		return fmt.Errorf("--on-different takes report, skip or fail, not %q", o.onDifferent)
	case o.batch < 0:
		return errors.New("--batch must not be negative")
	case o.lockTimeout <= 0:
		return errors.New("--lock-timeout must be above zero")
	}
	for _, id := range ids {
		if id == "" {
			return errors.New("an ID is empty")
		}
	}
	return nil
}

func (o restoreOptions) source(ctx context.Context, j journal.Journal, f journal.Filter, ids []string) (*recovery.Source, error) {
	switch {
	case o.fromDiff != "":
		return recovery.FromDiff(o.fromDiff)
	case o.keys != "":
		return recovery.FromKeyFile(o.keys, o.table)
	case len(ids) > 0:
		ids, err := ofHolds(ctx, j, ids)
		if err != nil {
			return nil, err
		}
		return recovery.FromIDs(ctx, j, ids)
	}
	return recovery.FromFilter(ctx, j, f)
}

// ofHolds puts the entries that held statements led to in the place of their
// IDs: those are the reference that their clients were told.
func ofHolds(ctx context.Context, j journal.Journal, ids []string) ([]string, error) {
	out := slices.Clone(ids)
	for i, id := range ids {
		if _, err := j.Entry(ctx, id); errors.Is(err, journal.ErrNotFound) {
			e, err := entryOfHold(ctx, j, id, err)
			if err != nil {
				return nil, err
			}
			out[i] = e.ID
		}
	}
	return out, nil
}

func printReport(w io.Writer, r *recovery.Report, output string) error {
	if output == "json" {
		return r.WriteJSON(w)
	}
	out := bufio.NewWriter(w)
	r.WriteText(out)
	return out.Flush()
}

// restoreError gives an error of recovery its exit code.
func restoreError(err error) error {
	err = recoveryError(err)
	if refusal := (*recovery.Refusal)(nil); errors.As(err, &refusal) {
		return withCode(exitCode(err), fmt.Errorf("refused, nothing was written: %w", err))
	}
	return err
}

// readEverything lets a role look at all that a tool reads.
const readEverything = "GRANT SELECT ON ALL TABLES IN SCHEMA … and ON ALL SEQUENCES, or from PostgreSQL 14 on GRANT pg_read_all_data"

// withGrant adds the mend to what a server refused to do.
func withGrant(err error) error {
	switch text := err.Error(); {
	case strings.Contains(text, "permission denied to create database"):
		return fmt.Errorf("%w; ALTER ROLE … CREATEDB lets the role make one", err)
	case strings.Contains(text, "permission denied for"):
		return fmt.Errorf("%w; let the role read: %s", err, readEverything)
	}
	return err
}

// recoveryError is restoreError for what does not write to production.
func recoveryError(err error) error {
	var refusal *recovery.Refusal
	switch {
	case errors.Is(err, recovery.ErrStopped):
		return recovery.ErrStopped
	case errors.Is(err, journal.ErrSealed):
		return usageError(err)
	case errors.Is(err, recovery.ErrDeclined):
		return refusedError(err)
	case !errors.As(err, &refusal):
		return err
	case refusal.Kind == recovery.Denied:
		return refusedError(withGrant(err))
	case refusal.Kind == recovery.Differs:
		return err
	}
	return usageError(err) // the request, or the databases it names
}

// loadBalance is an option of libpq's that the proxy alone knows; pgx would send it
// to the server.
var loadBalance = regexp.MustCompile(`\bload_balance_hosts\s*=\s*'?\w*'?&?`)

// connString makes a server setting (host:port list, socket directory, URL or
// keywords) something that pgx connects to.
func connString(server string) string {
	switch {
	case server == "" || isPostgresURL(server) || strings.Contains(server, "="):
		return loadBalance.ReplaceAllString(server, "")
	case strings.HasPrefix(server, "/"):
		return "host='" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(server) + "'"
	}
	var hosts, ports []string
	for one := range strings.SplitSeq(server, ",") {
		at := strings.LastIndexByte(one, ':') // settings are valid: it is there
		hosts = append(hosts, strings.Trim(one[:at], "[]"))
		ports = append(ports, one[at+1:])
	}
	return "host=" + strings.Join(hosts, ",") + " port=" + strings.Join(ports, ",")
}

// isTerminal: f is a person's.
func isTerminal(f any) bool {
	file, ok := f.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(file.Fd()))
}

// confirm asks on a terminal; only y and yes mean yes. An interrupt while it
// waits for the answer leaves the reading goroutine behind, for the few
// instants until the process ends.
func confirm(ctx context.Context, in io.Reader, out io.Writer, question string) (bool, error) {
	fmt.Fprint(out, question+" [y/N] ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- line
	}()
	select {
	case <-ctx.Done():
		return false, ctx.Err()
	case a := <-answer:
		a = strings.ToLower(strings.TrimSpace(a))
		return a == "y" || a == "yes", nil
	}
}
