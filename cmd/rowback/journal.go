package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/journal/journals"
	"github.com/rowback/rowback/journal/upkeep"
)

func newJournalCommand(s *settings) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "journal",
		Short: "Verifies, compacts, exports and imports the journal",
		Long: `Looks after the journal, a directory or the one that several proxies share. All
of it works beside running proxies.`,
		Example: `  rowback journal verify
  rowback journal compact --journal-keep 90d --dry-run
  rowback journal export --file journal.jsonl
  rowback journal import journal.jsonl --journal postgres://rowback@journal.internal/rowback`,
		Args: cobra.NoArgs,
	}
	cmd.AddCommand(newJournalCompactCommand(s), newJournalExportCommand(s), newJournalImportCommand(s), newJournalVerifyCommand(s))
	return cmd
}

func newJournalVerifyCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "verify",
		Short: "Reads every block of the journal",
		Long: `Reads every entry with all its keys and images, and has the store check itself.
Images that are encrypted are read where the key is given. Entries that a proxy
removes meanwhile (journal-keep) do not count.

Exit codes: 0 all can be read; 3 something is damaged, all of it listed; 1 failed.`,
		Example: `  rowback journal verify
  rowback journal verify --journal postgres://rowback@journal.internal/rowback --output json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			key, err := s.journalKey()
			if err != nil {
				return err
			}
			j, err := s.openJournal(cmd.Context(), journal.Options{MustExist: true, Reader: true, Key: key})
			if err != nil {
				return err
			}
			defer j.Close()
			j, end := watch(cmd, j)
			v, err := upkeep.Verify(cmd.Context(), j)
			end()
			if err != nil {
				return err
			}
			if err := s.report(cmd, v, func() {
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "%d entries, %d keys and %d images were read; %d entries are in doubt\n", v.Entries, v.Keys, v.Images, v.InDoubt)
				if v.Sealed > 0 {
					fmt.Fprintf(out, "not read: the images of %d entries, which are encrypted; give their key (journal-key)\n", v.Sealed)
				}
				for _, d := range v.Damaged {
					fmt.Fprintf(out, "damaged: %s\n", d.Error)
				}
				if !v.OK() {
					fmt.Fprintln(out, "keep a copy of the journal as it is; entries that are not listed are whole, and restored by their ID as ever;\nthe rows of those that are, `rowback diff` finds by comparing production with the recovery database")
				}
			}); err != nil {
				return err
			}
			if !v.OK() {
				return problemsError(fmt.Errorf("the journal is damaged in %d places", len(v.Damaged)))
			}
			return nil
		},
	}
}

// report prints v as JSON, or has text print it.
func (s *settings) report(cmd *cobra.Command, v any, text func()) error {
	if s.Output == "json" {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(v)
	}
	text()
	return nil
}

func newJournalCompactCommand(s *settings) *cobra.Command {
	var dry, shrink bool
	cmd := &cobra.Command{
		Use:   "compact",
		Short: "Removes what the journal need not keep any more",
		Long: `Removes entries that are older than --journal-keep, then the oldest ones until all
together are within --journal-max-size; and allowances and holds that ended before
that age. Running proxies with these settings do it every hour.

Entries in doubt, live allowances and waiting holds stay, and by size alone
nothing goes that is younger than a day. What is removed is gone: "rowback restore"
knows of it no more.

--shrink then gives the room back to the disk. A directory needs twice its size
while that lasts, and deletions wait.`,
		Example: `  rowback journal compact --journal-keep 90d --journal-max-size 50GB --dry-run
  rowback journal compact --journal-keep 90d --shrink`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := s.limits()
			if l == (upkeep.Limits{}) && (!shrink || dry) {
				return usageError(errors.New("nothing says how much to keep: give --journal-keep or --journal-max-size"))
			}
			j, err := s.openJournal(cmd.Context(), journal.Options{MustExist: true, Reader: dry})
			if err != nil {
				return err
			}
			defer j.Close()
			j, end := watch(cmd, j)
			defer end()
			done, err := upkeep.Compact(cmd.Context(), j, l, time.Now(), dry)
			if err != nil {
				return err
			}
			if k, ok := j.(journal.Keeper); ok && shrink && !dry {
				if err := k.Shrink(cmd.Context()); err != nil {
					return err
				}
			}
			end()
			return s.report(cmd, done, func() {
				verb := "removed"
				if dry {
					verb = "would remove"
				}
				out := cmd.OutOrStdout()
				fmt.Fprintf(out, "%s %d entries of %d bytes, and %d allowances and holds; %d entries of %d bytes stay\n", verb, done.Entries, done.Bytes, done.Approvals, done.Left, done.LeftBytes)
				if done.InDoubt > 0 {
					fmt.Fprintf(out, "%d entries stay only because they are in doubt\n", done.InDoubt)
				}
				if done.Over > 0 {
					fmt.Fprintf(out, "that is %d bytes more than it should be: what stays is in doubt, or younger than a day\n", done.Over)
				}
			})
		},
	}
	f := cmd.Flags()
	f.BoolVar(&dry, "dry-run", false, "say only what would be removed")
	f.BoolVar(&shrink, "shrink", false, "then give room back to the disk")
	f.StringVar(&s.JournalKeep, "journal-keep", "", "keep nothing older than `AGE`, such as 90d")
	f.StringVar(&s.JournalMaxSize, "journal-max-size", "", "keep no more than `SIZE`, such as 50GB")
	return cmd
}

func newJournalExportCommand(s *settings) *cobra.Command {
	var file, format string
	var filter filterFlags
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Writes entries with their keys and images to a file",
		Long: `Writes the selected entries, or all, with every key: as JSON lines, which "rowback
journal import" takes, with images of rows as they are stored, encrypted or not; or
as CSV, a line for each key. Without a filter JSON lines hold allowances and holds too.
Entries that a proxy removes meanwhile (journal-keep) do not count: where JSON lines
have begun one they say so, and import leaves it out; CSV has the keys that were read.

The file holds keys, statements and perhaps whole rows: it is made for this user alone.`,
		Example: `  rowback journal export --file journal.jsonl
  rowback journal export --format csv --since 7d --table orders > orders.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if err := checkOneOf(format, "jsonl", "csv"); err != nil {
				return usageError(fmt.Errorf("--format: %w", err))
			}
			if s.Output == "json" && format == "csv" && cmd.Flags().Changed("output") {
				return usageError(errors.New("give --format csv or --output json, not both"))
			}
			selected, err := filter.filter(time.Now())
			if err != nil {
				return err
			}
			j, err := s.openJournal(cmd.Context(), journal.Options{MustExist: true, Reader: true})
			if err != nil {
				return err
			}
			defer j.Close()
			end := func() {}
			if file != "" || !isTerminal(cmd.OutOrStdout()) { // else the lines show it
				j, end = watch(cmd, j)
				defer end()
			}
			export := upkeep.Export
			if format == "csv" {
				export = upkeep.ExportCSV
			}
			n, err := exportTo(cmd, file, func(out io.Writer) (int64, error) { return export(cmd.Context(), j, selected, out) })
			if err != nil {
				return err
			}
			end()
			fmt.Fprintf(cmd.ErrOrStderr(), "%d entries\n", n)
			return nil
		},
	}
	filter.addFlags(cmd.Flags())
	cmd.Flags().StringVar(&file, "file", "", "write to a new `FILE` (default: standard output)")
	cmd.Flags().StringVar(&format, "format", "jsonl", "`jsonl|csv`")
	return cmd
}

// exportTo has export write to a new file, or, for "", to standard output. A file
// that ends early is there no more: whole ones look no different.
func exportTo(cmd *cobra.Command, file string, export func(io.Writer) (int64, error)) (n int64, err error) {
	out := cmd.OutOrStdout()
	if file != "" {
		f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
		if errors.Is(err, os.ErrExist) {
			return 0, usageError(fmt.Errorf("--file: %s is there already; name a new one, or remove it", file))
		}
		if err != nil {
			return 0, cannotWrite("file", file, err)
		}
		defer func() {
			if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
				err = errors.Join(err, os.Remove(file))
			}
		}()
		out = f
	}
	if n, err = export(out); err != nil {
		err = fmt.Errorf("after %d entries: %w", n, err)
	}
	return n, err
}

func newJournalImportCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:   "import FILE",
		Short: "Stores exported entries in the journal",
		Long: `Stores what "rowback journal export" wrote as JSON lines, from FILE or, for "-",
standard input. What is there already stays as it is, but for entries in doubt whose
end the export knows; so it may be done again: after a failure, or to bring in what has
come since. So a directory becomes a shared journal: import its export, point the
proxies at the new one, import once more.`,
		Example: `  rowback journal import journal.jsonl --journal postgres://rowback@journal.internal/rowback
  rowback journal export --journal ./rowback-journal | rowback journal import - --journal postgres://rowback@journal.internal/rowback`,
		Args: oneArg("which file? Give one that `rowback journal export` wrote, or - for standard input"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, in, size := progress(cmd), cmd.InOrStdin(), int64(0)
			if args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usageError(err)
				}
				defer f.Close()
				if is, err := f.Stat(); err == nil && is.Mode().IsRegular() {
					size = is.Size()
				}
				in = watchedReader{f, p}
			}
			// A journal is made where there is none: not for what is no export.
			lines := bufio.NewReader(in)
			start, err := lines.Peek(256)
			switch {
			case err != nil && !errors.Is(err, io.EOF):
				return usageError(fmt.Errorf("%s cannot be read: %w", args[0], err))
			case !upkeep.LooksExported(start):
				return usageError(fmt.Errorf("%s, line 1: it is none that `rowback journal export` writes as JSON lines, {\"entry\":…}", args[0]))
			}
			j, err := s.openJournal(cmd.Context(), journal.Options{})
			if err != nil {
				return err
			}
			defer j.Close()
			p.Count("importing", "bytes", size)
			done, err := upkeep.Import(cmd.Context(), j, lines, "")
			p.Done()
			if err != nil {
				return fmt.Errorf("%s, after %d entries: %w", args[0], done.Entries, err)
			}
			return s.report(cmd, done, func() {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %d entries and %d allowances and holds are new, %d were there\n", journals.Name(s.Journal), done.Entries, done.Approvals, done.There)
			})
		},
	}
}
