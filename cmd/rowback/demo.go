package main

import (
	"context"
	"fmt"
	"os/signal"
	"syscall"

	"github.com/rowback/rowback/internal/incident"
	"github.com/spf13/cobra"
)

func newDemoCommand() *cobra.Command {
	var keep, small bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "A whole incident on two throwaway servers: block, alert, restore, verify",
		Long: `Starts two throwaway PostgreSQL servers from the binaries found on this machine
(production, and a recovery database restored from its dump), loads a shop of
1.5 million rows, and runs one wrong DELETE through the proxy twice: once
blocked, once let through and recorded. Then restores what it removed and checks
that production is what it was before.

Needs no configuration and no running server, and leaves nothing behind. Every
claim it prints is checked; the exit code is 1 if one does not hold.

$PGBIN says where PostgreSQL's binaries are, should they not be found.`,
		Example: "  rowback demo\n  rowback demo --keep",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if name := firstGiven(cmd.Flags(), "upstream", "production", "recovery", "journal", keySetting); name != "" {
				return usageError(fmt.Errorf("--%s has no meaning here: the demo makes all that it needs, and touches nothing else", name))
			}
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGHUP)
			defer stop()
			d := &demo{story: newStory(cmd.OutOrStdout()), size: incident.Published, threshold: 1000, keep: keep}
			if small {
				d.size, d.threshold = incident.Small, 100
			}
			return d.run(ctx)
		},
	}
	cmd.Flags().BoolVar(&keep, "keep", false, "leave the servers and the proxy running, and print how to reach and how to end them")
	cmd.Flags().BoolVar(&small, "small", false, "a hundredth of the data")
	_ = cmd.Flags().MarkHidden("small") // for tests
	return cmd
}

// demo is one run of the story. Each chapter leaves in it what later ones need.
type demo struct {
	*story
	size      incident.Size
	threshold int64
	keep      bool

	lab    *lab
	before contents // of production, before the incident
	id     string   // of the journal entry of the deletion
}

func (d *demo) run(ctx context.Context) (err error) {
	if d.lab, err = newLab(); err != nil {
		return err
	}
	kept := false
	defer func() {
		if !kept {
			d.lab.close()
		}
	}()
	d.opening()
	chapters := []struct {
		title string
		tell  func(context.Context) error
	}{
		{"Two throwaway PostgreSQL servers: production, and one to recover on", d.servers},
		{"Production gets a shop", d.shop},
		{"Last night's backup: pg_dump, restored on the recovery server", d.backup},
		{"rowback goes in front of production and blocks", d.blocked},
		{"The same DELETE with rowback told to alert only", d.alerted},
		{"What is lost", d.impact},
		{"One command brings it back", d.restored},
		{"Is production what it was?", d.verified},
	}
	for i, c := range chapters {
		d.chapter(i+1, c.title)
		if err := c.tell(ctx); err != nil {
			if ctx.Err() != nil {
				return fmt.Errorf("the demo was stopped; nothing is left running")
			}
			return fmt.Errorf("demo, chapter %d: %w", i+1, err)
		}
	}
	d.ending()
	if d.keep {
		if err := d.leave(ctx); err != nil {
			return err
		}
		kept = true
	}
	return nil
}
