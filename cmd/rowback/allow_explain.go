package main

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rowback/rowback/guard/explain"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// explainOptions are the flags that say whose statement it would be.
type explainOptions struct {
	user, database, application, client string
	tables                              []string
}

func (o *explainOptions) addFlags(f *pflag.FlagSet, when string) {
	f.StringVar(&o.user, "user", "", when+"as database user `NAME`")
	f.StringVar(&o.database, "database", "", when+"in database `NAME` (default: that of the connection)")
	f.StringVar(&o.application, "application", "", when+"from a client with application_name `NAME`")
	f.StringVar(&o.client, "client", "127.0.0.1", when+"from a client at `IP`, or local for a unix socket")
	f.StringArrayVar(&o.tables, "table", nil, when+"it removes from `TABLE` (name or schema.name), as you know; may be repeated")
}

func newAllowExplainCommand(s *settings) *cobra.Command {
	var o explainOptions
	cmd := &cobra.Command{
		Use:   "explain SQL",
		Short: "Says which rules a statement falls under, and what they would do",
		Long: `Says, without running it, which rule of the configuration applies to each table
that a statement removes rows from, and what that rule does: limits, windows,
mode, what it refuses whatever the number.

With a role in --production (or --upstream), such as postgres://user@host/shop, the
tables that its cascades reach are known too; the catalog is read, nothing else.
Without one it goes by the text alone, and says so. How many rows a statement
would remove only running it shows.`,
		Example: `  rowback allow explain "DELETE FROM orders WHERE is_test"
  rowback allow explain --user gdpr --database shop --client 10.0.0.7 "DELETE FROM customers"
  rowback allow explain --table orders --output json "SELECT purge_old_orders()"`,
		Args: oneArg("which statement? Give its SQL, in quotes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			out, err := explained(cmd, s, o, args[0])
			if err != nil {
				return err
			}
			return printAs(cmd.OutOrStdout(), s.Output, out)
		},
	}
	o.addFlags(cmd.Flags(), "")
	return cmd
}

// explained is what the rules say of sql; without the catalog, after a word on
// stderr, where that cannot be read.
func explained(cmd *cobra.Command, s *settings, o explainOptions, sql string) (*explain.Explanation, error) {
	ask := explain.Options{Policy: s.rules, SQL: sql, Subject: policy.Subject{Database: o.database, User: o.user, Application: o.application}}
	if o.client != "local" {
		address, err := netip.ParseAddr(o.client)
		if err != nil {
			return nil, usageError(fmt.Errorf("--client: %q is no IP address; give one, or local for a unix socket", o.client))
		}
		ask.Subject.Address = address
	}
	for _, t := range o.tables {
		schema, name := journal.SplitName(t)
		if name == "" {
			return nil, usageError(errors.New("--table is empty"))
		}
		ask.Tables = append(ask.Tables, sqlparse.Name{Schema: schema, Name: name})
	}
	if namesUser(s.Production) {
		d, err := explain.Open(cmd.Context(), connString(s.Production), o.database)
		if err != nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "rowback: without the catalog of %s, which cannot be read: %s\n", redact(s.Production), parseReason(err))
		} else {
			defer d.Close()
			d.Into(&ask)
		}
	}
	out, err := explain.Explain(cmd.Context(), ask)
	if err == nil && len(out.Statements) == 0 {
		err = usageError(errors.New("the text holds no statement"))
	}
	return out, err
}
