package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/rowback/rowback/recovery"
)

// unknownRows is the count of a table whose rows the dump has as INSERT
// statements within an archive.
const unknownRows = -1

// compare holds what was restored against the dump's own contents: every table
// of its list, and as many rows as it has.
func (v *verification) compare(ctx context.Context, r *Receipt) error {
	counts := r.counts
	if r.Format != Plain {
		a, list, err := openArchive(ctx, dump{path: r.Dump, format: r.Format}, v.o.BinDir)
		if err != nil {
			return err
		}
		for _, t := range list.made {
			if v.catalog.Lookup(t[0], t[1]) == nil {
				v.problem("table %s.%s is in the dump, and was not restored", t[0], t[1])
			}
		}
		v.o.Progress.Start("counting the dump's rows", 0)
		if counts, err = a.count(ctx); err != nil {
			return err
		}
		if len(counts) < len(list.tables) {
			v.problem("the dump lists rows of %d tables, and holds those of %d", len(list.tables), len(counts))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		v.o.Progress.Start("counting "+name, 0)
		n, err := v.count(ctx, name)
		if err != nil {
			return err
		}
		t := TableRows{Table: name, Dump: counts[name], Restored: n}
		v.report.Tables = append(v.report.Tables, t)
		if t.Dump != unknownRows && t.Dump != t.Restored {
			v.problem("%s: the dump has %s, restored were %s", name, recovery.Plural(t.Dump, "row"), recovery.Grouped(t.Restored))
		}
	}
	return nil
}

// count counts the rows of a table, named as SQL quotes it, as pg_dump does:
// of a parent in plain inheritance its own.
func (v *verification) count(ctx context.Context, name string) (int64, error) {
	kind, err := v.session.Rows(ctx, "SELECT relkind FROM pg_class WHERE oid = '"+strings.ReplaceAll(name, "'", "''")+"'::regclass")
	if err != nil {
		return 0, err
	}
	if len(kind) == 1 && *kind[0][0] == "p" {
		return v.session.Number(ctx, "SELECT count(*) FROM "+name)
	}
	return v.session.Number(ctx, "SELECT count(*) FROM ONLY "+name)
}

// count reads the whole archive and counts each table's rows.
func (a archive) count(ctx context.Context) (counts map[string]int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := a.restore(ctx, nil, "--data-only", "--file=-")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	counts, err = countRows(newScript(out))
	if err != nil {
		cancel() // it waits for us to read on
	}
	if waitErr := cmd.Wait(); waitErr != nil && err == nil {
		return nil, a.explain(waitErr, stderr.String())
	}
	return counts, err
}

func countRows(s *script) (map[string]int64, error) {
	counts := map[string]int64{}
	for {
		statement, err := s.next()
		if errors.Is(err, io.EOF) {
			return counts, nil
		}
		if err != nil {
			return nil, err
		}
		what, table, err := treat(statement)
		if err != nil {
			return nil, err
		}
		switch what {
		case copyRows:
			rows := &data{s: s}
			if _, err := io.Copy(io.Discard, rows); err != nil {
				return nil, fmt.Errorf("rows of %s: %w", table, err)
			}
			counts[table] += rows.rows
		case insertRow:
			counts[table] = unknownRows
		}
	}
}
