package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/rowback/rowback/internal/incident"
	"github.com/rowback/rowback/journal"
)

// blocked: the DELETE is refused with the exact numbers, and nothing is lost.
func (d *demo) blocked(ctx context.Context) error {
	if err := d.proxy(ctx, "block"); err != nil {
		return err
	}
	d.say("The application connects to the proxy as if it were production:")
	said, err := d.application(ctx)
	if err == nil {
		return d.claim(false, "the DELETE was refused")
	}
	if err := d.claim(strings.Contains(said, "RB001"), "the DELETE was refused, with SQLSTATE RB001"); err != nil {
		return err
	}
	for _, table := range incident.Tables[1:] {
		lost := fmt.Sprintf("%s %d", table, d.size.Share(table).Lost)
		if !strings.Contains(said, lost) {
			return d.claim(false, "the error says %q", lost)
		}
	}
	err = d.claim(strings.Contains(said, fmt.Sprint(d.size.Lost())), "the error says what would have gone: %s rows, exactly, in 4 tables", grouped(d.size.Lost()))
	if err != nil {
		return err
	}
	now, err := readContents(ctx, d.lab.straight())
	if err != nil {
		return err
	}
	return d.claim(sameSums(d.before.sums, now.sums), "production has lost nothing: all checksums are as before")
}

// alerted: the DELETE goes through and the journal knows every key.
func (d *demo) alerted(ctx context.Context) error {
	d.lab.stopProxy()
	if err := d.proxy(ctx, "alert"); err != nil {
		return err
	}
	if said, err := d.application(ctx); err != nil {
		return fmt.Errorf("psql: %w\n%s", err, said)
	}
	alert, err := d.lab.proxySays(ctx, "mass deletion")
	if err != nil {
		return err
	}
	d.say("The proxy has logged, and with --webhook posted:")
	d.output(alert)
	if err := d.rowback(ctx, "log", "--journal", d.lab.journal()); err != nil {
		return err
	}
	entry, err := d.deletion(ctx)
	if err != nil {
		return err
	}
	d.id = entry.ID
	keys := make(map[string]int64)
	for _, k := range entry.Keys {
		keys[k.Table]++
	}
	for _, table := range incident.Tables {
		if lost := d.size.Share(table).Lost; keys[table] != lost {
			return d.claim(false, "the journal has %d keys of %s (it has %d)", lost, table, keys[table])
		}
	}
	return d.claim(int64(len(entry.Keys)) == d.size.Lost() && entry.Rows == d.size.Lost() && entry.Outcome == journal.Committed,
		"the journal has the key of each of the %s rows (rowback log %s --keys)", grouped(d.size.Lost()), d.id)
}

// demoEntry is what the demo reads of `rowback log --output json --keys`.
type demoEntry struct {
	journal.Entry
	Keys []struct {
		Table string `json:"table"`
	} `json:"keys"`
}

// deletion is the one committed deletion in the journal.
func (d *demo) deletion(ctx context.Context) (*demoEntry, error) {
	cmd := d.lab.rowback(ctx, "log", "--journal", d.lab.journal(), "--outcome", "committed", "--keys", "--output", "json")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("rowback log: %w\n%s", err, &stderr)
	}
	lines := bytes.Split(bytes.TrimSpace(out), []byte("\n"))
	if len(lines) != 1 {
		return nil, fmt.Errorf("rowback log: %d committed entries, expected the one", len(lines))
	}
	e := new(demoEntry)
	return e, json.Unmarshal(lines[0], e)
}

// impact prints the impact table, by comparing every key of both databases.
func (d *demo) impact(ctx context.Context) error {
	d.say("%-12s %14s %14s %14s %8s", "table", "records lost", "backup total", "live total", "% lost")
	var all, lost int64
	for _, table := range incident.Tables {
		backup, err := ids(ctx, d.lab.backupURL(), table)
		if err != nil {
			return err
		}
		live, err := ids(ctx, d.lab.straight(), table)
		if err != nil {
			return err
		}
		n := missing(backup, live)
		all, lost = all+int64(len(backup)), lost+n
		d.say("%-12s %14s %14s %14s %7.2f%%", table, grouped(n), grouped(int64(len(backup))), grouped(int64(len(live))), percent(n, int64(len(backup))))
	}
	d.say("%-12s %14s %14s %14s %7.2f%%", "total", grouped(lost), grouped(all), grouped(all-lost), percent(lost, all))
	return d.claim(lost == d.size.Lost(), "a comparison by primary key finds the same %s rows", grouped(d.size.Lost()))
}

func percent(part, whole int64) float64 { return 100 * float64(part) / float64(max(whole, 1)) }

func ids(ctx context.Context, url, table string) (ids []int64, err error) {
	err = connected(ctx, url, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, "SELECT id FROM "+table+" ORDER BY id")
		if err != nil {
			return err
		}
		ids, err = pgx.CollectRows(rows, pgx.RowTo[int64])
		return err
	})
	return ids, err
}

// missing counts what is in a and not in b; both ascend.
func missing(a, b []int64) (n int64) {
	for _, id := range a {
		for len(b) > 0 && b[0] < id {
			b = b[1:]
		}
		if len(b) == 0 || b[0] != id {
			n++
		}
	}
	return n
}

// proxy shows the proxy's command and starts it.
func (d *demo) proxy(ctx context.Context, mode string) error {
	args := d.lab.proxyArgs(mode, d.threshold)
	d.command(append([]string{"rowback"}, args...)...)
	if err := d.lab.startProxy(ctx, false, args); err != nil {
		return err
	}
	d.output("listening on " + d.lab.listen)
	return nil
}

// application runs the DELETE through the proxy with psql, as a client would.
func (d *demo) application(ctx context.Context) (said string, err error) {
	args := []string{"-X", "-v", "VERBOSITY=verbose", d.lab.proxied(), "-c", incident.MassDelete}
	d.command(append([]string{"psql"}, args...)...)
	out, err := d.lab.postgres(ctx, "psql", args...).CombinedOutput()
	d.output(string(out))
	return string(out), err
}

// rowback shows a command of ours, runs it, and shows what it says as it comes.
func (d *demo) rowback(ctx context.Context, args ...string) error {
	d.command(append([]string{"rowback"}, args...)...)
	return d.stream(d.lab.rowback(ctx, args...), args[0])
}

func (d *demo) stream(cmd *exec.Cmd, name string) error {
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout // one pipe, in order
	if err := cmd.Start(); err != nil {
		return err
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		d.output(lines.Text())
	}
	if err := errors.Join(lines.Err(), cmd.Wait()); err != nil {
		return fmt.Errorf("rowback %s: %w", name, err)
	}
	return nil
}
