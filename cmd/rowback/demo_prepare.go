package main

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/incident"
)

// contents is what is compared: checksums of the tables, and where their
// sequences stand.
type contents struct {
	sums      map[string]string
	sequences map[string]int64
}

func readContents(ctx context.Context, url string) (c contents, err error) {
	err = connected(ctx, url, func(conn *pgx.Conn) error {
		if c.sums, err = incident.Checksums(ctx, conn); err != nil {
			return err
		}
		c.sequences, err = incident.Sequences(ctx, conn)
		return err
	})
	return c, err
}

func (d *demo) opening() {
	d.line(d.in(bold, "rowback demo: one wrong DELETE, stopped; and once more, undone"))
	d.line("")
	d.say("A shop cleans up its test orders: %s", d.in(bold, incident.MassDelete))
	d.say("But real orders carry that flag too, and foreign keys take payments, refunds and")
	d.say("the audit trail along. Lines with $ are the commands as you would type them;")
	d.say("rowback is %s.", d.lab.self)
}

func (d *demo) servers(ctx context.Context) error {
	if err := d.during("initdb, postgres, twice", func() error { return d.lab.startServers(ctx) }); err != nil {
		return err
	}
	d.say("production  %s", d.lab.straight())
	d.say("recovery    %s", d.lab.backupURL())
	return nil
}

func (d *demo) shop(ctx context.Context) error {
	s := d.size
	total := s.Customers + s.Orders.Rows + s.Payments.Rows + s.Refunds.Rows + s.AuditLog.Rows
	err := d.during(fmt.Sprintf("loading %s rows", grouped(total)), func() error {
		err := connected(ctx, d.lab.production.URL("postgres"), func(conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "CREATE DATABASE "+demoDatabase)
			return err
		})
		if err != nil {
			return err
		}
		return connected(ctx, d.lab.straight(), func(conn *pgx.Conn) error { return incident.Load(ctx, conn, d.size) })
	})
	if err != nil {
		return err
	}
	d.say("customers ─┬─ orders ─┬─ payments ── refunds     (ON DELETE CASCADE from orders on)")
	d.say("           ╵          └─ audit_logs")
	return d.during("a checksum over every row of each table, to compare with later", func() error {
		d.before, err = readContents(ctx, d.lab.straight())
		return err
	})
}

func (d *demo) backup(ctx context.Context) error {
	dump := filepath.Join(d.lab.dir, "shop.dump")
	for _, words := range [][]string{
		{"pg_dump", "-Fd", "-j2", "-Z1", "-f", dump, d.lab.straight()},
		{"createdb", "--maintenance-db=postgres://postgres@" + d.lab.recovery.Addr() + "/postgres", demoRecovery},
		{"pg_restore", "-j2", "-d", d.lab.backupURL(), dump},
	} {
		d.command(words...)
		err := d.during(words[0], func() error { return quietly(d.lab.postgres(ctx, words[0], words[1:]...)) })
		if err != nil {
			return err
		}
	}
	copied, err := readContents(ctx, d.lab.backupURL())
	if err != nil {
		return err
	}
	return d.claim(sameSums(d.before.sums, copied.sums), "the recovery database holds the same rows as production")
}

// quietly runs a program whose output matters only if it fails.
func quietly(cmd *exec.Cmd) error {
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.Join(fmt.Errorf("%s: %w", filepath.Base(cmd.Path), err), errors.New(string(out)))
	}
	return nil
}

func sameSums(a, b map[string]string) bool {
	for _, table := range incident.Tables {
		if a[table] == "" || a[table] != b[table] {
			return false
		}
	}
	return true
}
