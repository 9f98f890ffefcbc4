package main

import (
	"errors"
	"math/rand/v2"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/internal/drill"
)

// drillOptions are the flags of `rowback drill`.
type drillOptions struct {
	rounds   int
	seed     uint64
	html     string
	template string
}

func newDrillCommand(s *settings) *cobra.Command {
	var o drillOptions
	cmd := &cobra.Command{
		Use:   "drill DUMP | --template URL",
		Short: "Rehearses incidents on scratch copies and proves the restores row for row",
		Long: `Starts a throwaway PostgreSQL server from the binaries found on this machine,
loads a dump (custom, directory, tar or plain) into it, and rehearses: deletes
random rows, or all that a table's cascades reach, through a real proxy; restores
them from the journal and the backup; compares every row. In some rounds it kills
the proxy or the server in the middle of the deletion.

With --template the stage is a clone (CREATE DATABASE … TEMPLATE) of a recovery
database that is loaded already, on its own server: nothing to load, whatever its
size, but the disk space of a copy. Nobody else may be connected to the database
when it is cloned, and instead of the server the clone's sessions are killed. The
role needs CREATEDB, and must own the database or be superuser.

Prints how long recovery took (RTO) and how many rows did not come back (RPO). No
other database is touched and nothing is left behind. Triggers of the copy do run.

Exit codes: 0 every round passed; 3 a round failed, all of it is listed; 2 no
dump, or one without rows, or a database in use; 4 no privilege; 1 failed.`,
		Example: `  rowback drill shop.dump
  rowback drill shop.dump --rounds 24 --html drill.html --output json
  rowback drill shop.dump --seed 42
  rowback drill --template postgres://postgres@recovery.internal:5432/shop_before`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if (len(args) == 0) == (o.template == "") {
				return usageError(errors.New("what is rehearsed on? Give a dump, or --template with the URL of a recovery database"))
			}
			return runDrill(cmd, s, o, strings.Join(args, ""))
		},
	}
	f := cmd.Flags()
	f.IntVar(&o.rounds, "rounds", 8, "rehearse `N` incidents")
	f.Uint64Var(&o.seed, "seed", 0, "choose as the drill with this `SEED` did (default: a new one)")
	f.StringVar(&o.template, "template", "", "rehearse on clones of the database at `URL`, on its server")
	f.StringVar(&o.html, "html", "", "write the report to `FILE` too, as a page")
	return cmd
}

func runDrill(cmd *cobra.Command, s *settings, o drillOptions, dump string) error {
	if o.rounds < 1 {
		return usageError(errors.New("--rounds must be above zero"))
	}
	if o.template != "" {
		if err := checkServer(o.template); err != nil {
			return usageError(err)
		}
		o.template = connString(o.template)
	}
	if !cmd.Flags().Changed("seed") {
		o.seed = rand.Uint64() >> 32 // short enough to be typed
	}
	html, err := openOut("html", o.html)
	if err != nil {
		return err
	}
	defer html.discard()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	production := ""
	if s.origin["production"] != "" || s.origin["upstream"] != "" {
		production = connString(s.Production)
	}
	report, err := drill.Run(cmd.Context(), drill.Options{
		Production: production,
		Dump:       dump, Template: o.template, Program: self, Rounds: o.rounds, Seed: o.seed, BinDir: s.env["PGBIN"], Progress: progress(cmd),
	})
	if err != nil {
		return recoveryError(err)
	}
	if err := errors.Join(printAs(cmd.OutOrStdout(), s.Output, report), html.write(report.WriteHTML)); err != nil {
		return err
	}
	if !report.Passed() {
		return problemsError(errors.New("not every rehearsal went well; all that went wrong is listed"))
	}
	return nil
}
