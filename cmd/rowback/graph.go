package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/recovery"
	"github.com/rowback/rowback/recovery/graph"
)

// graphOptions are the flags of `rowback graph`.
type graphOptions struct {
	depth                     int
	format, incident, on, out string
}

func newGraphCommand(s *settings) *cobra.Command {
	var o graphOptions
	cmd := &cobra.Command{
		Use:   "graph [TABLE…]",
		Short: "Draws the foreign keys around tables",
		Long: `Draws the foreign keys around the given tables (all tables, if none is given):
who refers to whom, and what ON DELETE does. Cascades stand out: what a deletion
takes with it can be followed along them.

With --incident the rows that a deletion removed or cut loose are shown on the
tables; without tables it is those of the incident that are drawn.

--format svg makes a picture that every browser shows. dot is for Graphviz,
mermaid for documents that draw Mermaid. --output json is for programs.

Exit codes: 0 drawn; 2 wrong request; 1 failed.`,
		Example: `  rowback graph orders
  rowback graph --format svg --out shop.svg
  rowback graph --incident 01JY2M --format svg --out incident.svg
  rowback graph orders payments --depth 2 --format mermaid
  rowback graph --format dot | dot -Tpng > shop.png`,
		RunE: func(cmd *cobra.Command, args []string) error { return runGraph(cmd, s, o, args) },
	}
	f := cmd.Flags()
	f.IntVar(&o.depth, "depth", 1, "draw tables up to `N` foreign keys away")
	f.StringVar(&o.format, "format", "text", "`text|svg|dot|mermaid`")
	f.StringVar(&o.incident, "incident", "", "with the row counts of the journal's entry `ID`")
	f.StringVar(&o.on, "on", "production", "the database to look at: `production|recovery|URL`")
	f.StringVar(&o.out, "out", "", "write to `FILE`, not to standard output")
	return cmd
}

func runGraph(cmd *cobra.Command, s *settings, o graphOptions, tables []string) error {
	ctx := cmd.Context()
	if err := checkOneOf(o.format, "text", "svg", "dot", "mermaid"); err != nil {
		return usageError(fmt.Errorf("--format: %w", err))
	}
	switch {
	case o.depth < 0:
		return usageError(errors.New("--depth must not be below zero"))
	case s.Output == "json" && cmd.Flags().Changed("format"):
		return usageError(errors.New("give --format or --output json, not both"))
	}
	name, url, err := s.database([]string{o.on})
	if err != nil {
		return err
	}
	out, err := openOut("out", o.out)
	if err != nil {
		return err
	}
	defer out.discard()
	options := graph.Options{Tables: tables, Depth: o.depth}
	if o.incident != "" {
		if options.Incident, err = s.journalEntry(ctx, o.incident); err != nil {
			return err
		}
	}
	session, err := recovery.Open(ctx, name, url, "rowback graph")
	if err != nil {
		return recoveryError(err)
	}
	defer session.Close()
	snapshot, err := session.Catalog(ctx)
	if err != nil {
		return recoveryError(err)
	}
	g, err := graph.Build(snapshot, options)
	if err != nil {
		return recoveryError(err)
	}
	write := map[string]func(io.Writer) error{"text": g.WriteText, "svg": g.WriteSVG, "dot": g.WriteDOT, "mermaid": g.WriteMermaid}[o.format]
	if s.Output == "json" {
		write = g.WriteJSON
	}
	if out != nil {
		return out.write(write)
	}
	return write(cmd.OutOrStdout())
}

// journalEntry is the one entry with this ID or unique prefix.
func (s *settings) journalEntry(ctx context.Context, id string) (*journal.Entry, error) {
	j, err := s.openJournal(ctx, journal.Options{MustExist: true, Reader: true})
	if err != nil {
		return nil, err
	}
	defer j.Close()
	return entryNamed(ctx, j, id)
}
