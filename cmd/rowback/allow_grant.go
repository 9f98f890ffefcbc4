package main

import (
	"errors"
	"fmt"
	"path"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rowback/rowback/guard/explain"
	"github.com/rowback/rowback/journal"
)

// longestAllowance: an exception for longer belongs into the policy, as a rule.
const longestAllowance = 365 * 24 * time.Hour

// grantOptions are the flags that make an allowance.
type grantOptions struct {
	rows                        int64
	tables                      []string
	user, database, application string
	length                      string
	once                        bool
	by, reason                  string // from answerOptions: the flags are the same
}

func (o *grantOptions) addFlags(f *pflag.FlagSet) {
	f.Int64Var(&o.rows, "rows", 0, "how many `ROWS` may be removed in all, cascades included")
	f.StringArrayVar(&o.tables, "table", nil, "statements that delete from `TABLE`: name or schema.name, with * and ? as in file names; may be repeated (default: any)")
	f.StringVar(&o.user, "user", "", "sessions of database user `NAME` (default: any)")
	f.StringVar(&o.database, "database", "", "sessions in database `NAME` (default: any)")
	f.StringVar(&o.application, "application", "", "sessions with application_name `NAME` (default: any)")
	f.StringVar(&o.length, "for", "10m", "it expires after this `TIME`, such as 10m, 2h or 1d")
	f.BoolVar(&o.once, "once", false, "for one transaction only")
}

// grantFlag is a flag given that only makes sense for an allowance, "" if none is.
func grantFlag(f *pflag.FlagSet) string {
	return firstGiven(f, "rows", "table", "user", "database", "application", "for", "once")
}

func runGrant(cmd *cobra.Command, s *settings, o grantOptions) (err error) {
	now := time.Now()
	a, err := o.allowance(now)
	if err != nil {
		return usageError(err)
	}
	a.By = whoami(o.by, s.env)
	j, err := openApprovals(cmd.Context(), s, false)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	if err := j.Grant(cmd.Context(), a); err != nil {
		return err
	}
	a.Uses = []journal.Use{}
	if err := printAllowance(cmd.OutOrStdout(), s.Output, a, now); err != nil {
		return err
	}
	checkTables(cmd, s, a)
	return nil
}

// checkTables says, where production can be asked, which of an allowance's tables are none.
func checkTables(cmd *cobra.Command, s *settings, a *journal.Allowance) {
	if len(a.Tables) == 0 || !namesUser(s.Production) {
		return
	}
	d, err := explain.Open(cmd.Context(), connString(s.Production), a.Database)
	if err != nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "rowback: whether there are such tables, %s could not be asked: %s\n", redact(s.Production), parseReason(err))
		return
	}
	defer d.Close()
	for _, why := range d.InVain(a.Tables) {
		fmt.Fprintf(cmd.ErrOrStderr(), "rowback: %s; for that the allowance is of no use: `rowback allow revoke %s` takes it back\n", oneLine(why, 400), a.ID)
	}
}

// allowance is the one that the flags describe; its errors are usage errors.
func (o grantOptions) allowance(now time.Time) (*journal.Allowance, error) {
	if o.rows == 0 {
		return nil, errors.New("how many rows may be removed? Give --rows to grant an allowance, or the ID of a held statement to let it go on (`rowback allow holds` lists them)")
	}
	if o.rows < 0 {
		return nil, fmt.Errorf("--rows: %d is below zero", o.rows)
	}
	length, err := parseAgo(o.length)
	switch {
	case err != nil:
		return nil, fmt.Errorf("--for: %q is not a length of time such as 10m, 2h or 1d", o.length)
	case length <= 0:
		return nil, errors.New("--for must be above zero")
	case length > longestAllowance:
		return nil, fmt.Errorf("--for: %s is longer than a year; make it a rule of the policy", o.length)
	}
	a := &journal.Allowance{
		ID: journal.NewID(now), Time: now.UTC(), Expires: now.Add(length).UTC(), Rows: o.rows, Once: o.once,
		Database: o.database, User: o.user, Application: o.application, Reason: o.reason,
	}
	for _, t := range o.tables {
		glob := unquoted(t)
		if _, err := path.Match(glob, ""); err != nil || glob == "" {
			return nil, fmt.Errorf("--table: %q is no table or pattern", t)
		}
		if !slices.Contains(a.Tables, glob) {
			a.Tables = append(a.Tables, glob)
		}
	}
	return a, nil
}
