package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rowback/rowback/internal/incident"
)

// restored: first the plan, which changes nothing, then the restore.
func (d *demo) restored(ctx context.Context) error {
	args := []string{"restore", d.id, "--journal", d.lab.journal(), "--production", d.lab.straight(), "--recovery", d.lab.backupURL()}
	if err := d.rowback(ctx, append(args, "--dry-run")...); err != nil {
		return err
	}
	return d.rowback(ctx, append(args, "--yes")...)
}

func (d *demo) verified(ctx context.Context) error {
	var now contents
	err := d.during("checksums again", func() (err error) {
		now, err = readContents(ctx, d.lab.straight())
		return err
	})
	if err != nil {
		return err
	}
	for _, table := range incident.Tables {
		err := d.claim(now.sums[table] == d.before.sums[table], "%-10s equal to before: %s", table, now.sums[table])
		if err != nil {
			return err
		}
	}
	for _, table := range incident.Tables {
		if now.sequences[table] < d.before.sequences[table] {
			return d.claim(false, "the sequence of %s did not go back", table)
		}
	}
	return d.claim(true, "no sequence went back")
}

func (d *demo) ending() {
	d.line("")
	d.line(d.in(bold, fmt.Sprintf("%s rows deleted, %s rows restored, %.0f seconds in all.",
		grouped(d.size.Lost()), grouped(d.size.Lost()), time.Since(d.begun).Seconds())))
}

// leave hands everything over to the user: the servers and the proxy are
// started anew, to outlive this process.
func (d *demo) leave(ctx context.Context) error {
	d.lab.stopProxy()
	production, err := d.lab.production.Detach(ctx)
	if err != nil {
		return err
	}
	recovery, err := d.lab.recovery.Detach(ctx)
	if err != nil {
		return err
	}
	if err := d.lab.startProxy(ctx, true, d.lab.proxyArgs("block", d.threshold)); err != nil {
		return err
	}
	d.line("")
	d.line(d.in(bold, "Everything is left running (--keep):"))
	d.say("through the proxy (block)  psql %s", d.lab.proxied())
	d.say("production, straight       psql %s", d.lab.straight())
	d.say("recovery                   psql %s", d.lab.backupURL())
	d.say("admin                      http://%s/", d.lab.admin)
	d.say("journal                    rowback log --journal %s", shellQuote(d.lab.journal()))
	d.say("restore                    rowback restore ID --journal %s --production %s --recovery %s", shellQuote(d.lab.journal()), d.lab.straight(), d.lab.backupURL())
	d.say("end it all                 kill -INT %d; kill -QUIT %d %d; sleep 1; rm -r %s %s %s", d.lab.proxy.PID(), production, recovery,
		shellQuote(d.lab.dir), shellQuote(d.lab.production.Dir), shellQuote(d.lab.recovery.Dir))
	return nil
}
