package backup

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/recovery"
)

var (
	dumpedFrom = regexp.MustCompile(`-- Dumped from database version (.+)`)
	startedOn  = regexp.MustCompile(`(?m)^-- Started on (.+)$`) // of pg_dump --verbose alone
)

// loadPlain runs a plain dump's statements in a session of the new database.
// Nothing in it can lead elsewhere: no psql reads it.
func loadPlain(ctx context.Context, o LoadOptions, d dump, r *Receipt) (_ *database, err error) {
	options, err := d.createOptions()
	if err != nil {
		return nil, err
	}
	text, file, err := d.text()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	db, err := makeDatabase(ctx, o.Server, o.Name, options)
	if err != nil {
		return nil, err
	}
	s, err := recovery.Open(ctx, "recovery", db.url, "rowback backup")
	if err != nil {
		return db, err
	}
	defer s.Close()
	l := &loader{session: s, script: newScript(text), receipt: r, progress: o.Progress}
	r.counts = map[string]int64{}
	if err := s.Own(ctx, func() error { return l.all(ctx) }); err != nil {
		if !l.tables {
			err = dataAlone(err)
		}
		return db, err
	}
	r.Tables = len(r.counts)
	return db, nil
}

func (d dump) createOptions() (string, error) {
	text, file, err := d.text()
	if err != nil {
		return "", err
	}
	defer file.Close()
	return createOptions(io.LimitReader(text, 1<<16)), nil
}

type loader struct {
	session  *recovery.Session
	script   *script
	receipt  *Receipt
	progress *recovery.Progress
	table    string // whose rows come now
	tables   bool   // it has made some
}

func (l *loader) all(ctx context.Context) error {
	for n := 0; ; n++ {
		statement, err := l.script.next()
		if errors.Is(err, io.EOF) {
			if n == 0 {
				return errors.New("the dump holds no statement")
			}
			return nil
		}
		if err != nil {
			return err
		}
		if m := dumpedFrom.FindStringSubmatch(statement); m != nil && l.receipt.From == "" {
			l.receipt.From = strings.TrimSpace(m[1])
			if m := startedOn.FindStringSubmatch(statement); m != nil {
				l.receipt.Dumped = dumpTime(m[1])
			}
		}
		if err := l.one(ctx, statement); err != nil {
			return l.explain(err)
		}
	}
}

func (l *loader) one(ctx context.Context, statement string) error {
	what, table, err := treat(statement)
	if err != nil {
		return err
	}
	if (what == copyRows || what == insertRow) && table != l.table {
		l.table = table
		l.progress.Start("loading "+table, 0)
	}
	switch what {
	case drop:
		return nil
	case copyRows:
		rows := &data{s: l.script}
		_, err := l.session.Conn().CopyFrom(ctx, rows, statement)
		l.receipt.counts[table] += rows.rows
		return err
	case insertRow:
		tag, err := l.affect(ctx, statement)
		l.receipt.counts[table] += tag
		return err
	}
	_, err = l.affect(ctx, statement)
	l.tables = l.tables || err == nil && makesTable.MatchString(uncommented(statement))
	var said *pgconn.PgError
	if errors.As(err, &said) && said.Code == "42704" && newerSettings.MatchString(uncommented(statement)) {
		return nil // a limit that this server does not have
	}
	return err
}

var makesTable = regexp.MustCompile(`^\s*CREATE (UNLOGGED |FOREIGN )?TABLE `)

// newerSettings are settings that a newer pg_dump writes for every server.
var newerSettings = regexp.MustCompile(`^\s*SET transaction_timeout = 0;\s*$`)

func (l *loader) affect(ctx context.Context, statement string) (int64, error) {
	results, err := l.session.Conn().Exec(ctx, statement).ReadAll()
	if err != nil || len(results) == 0 {
		return 0, err
	}
	return results[len(results)-1].CommandTag.RowsAffected(), nil
}

// explain names the line. A server's message may be about a row's contents;
// its detail and context are left out.
func (l *loader) explain(err error) error {
	var said *pgconn.PgError
	if errors.As(err, &said) {
		return fmt.Errorf("statement ending in line %d: %s (SQLSTATE %s)", l.script.line, said.Message, said.Code)
	}
	return fmt.Errorf("statement ending in line %d: %w", l.script.line, err)
}
