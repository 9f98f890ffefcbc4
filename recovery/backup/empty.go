package backup

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/rowback/rowback/recovery"
)

// holdsRows makes it a problem if no table has a row: a dump of the schema alone
// has all its tables, as many rows as were dumped, and brings nothing back.
func (v *verification) holdsRows(ctx context.Context) error {
	for _, t := range v.catalog.Tables {
		if !recovery.HoldsRows(t) {
			continue
		}
		n, err := v.session.Number(ctx, "SELECT count(*) FROM (SELECT FROM "+t.QuotedName()+" LIMIT 1) x")
		if err != nil || n > 0 {
			return err
		}
	}
	v.problem("no table has a row, so nothing could be brought back; is it a dump of the schema alone?")
	return nil
}

// RefuseWithoutRows refuses a dump that has no table's rows, as of the schema
// alone, before anything is made of it. Of tables that are empty it does not know.
// binDir is where pg_restore is; "": found.
func RefuseWithoutRows(ctx context.Context, path, binDir string) error {
	d, err := inspect(path)
	if err != nil {
		return err
	}
	holds := true
	if d.format == Plain {
		holds, err = d.plainHoldsRows()
	} else {
		var list contents
		_, list, err = openArchive(ctx, d, binDir)
		holds = len(list.tables) > 0
	}
	if err != nil || holds {
		return err
	}
	return recovery.Refuse(recovery.Usage, path+" holds no rows; is it a dump of the schema alone? Make one with the rows: pg_dump without --schema-only")
}

// plainHoldsRows reads up to the first rows. What else is wrong with the dump
// loading it will say.
func (d dump) plainHoldsRows() (bool, error) {
	text, file, err := d.text()
	if err != nil {
		return false, err
	}
	defer file.Close()
	for s := newScript(text); ; {
		statement, err := s.next()
		if err != nil {
			return !errors.Is(err, io.EOF), nil
		}
		if what, _, err := treat(statement); err != nil || what == copyRows || what == insertRow {
			return true, nil
		}
	}
}

// dataAlone is why the dump of err, which makes no table, could not be loaded.
func dataAlone(err error) error {
	if !strings.Contains(err.Error(), "does not exist") {
		return err
	}
	return recovery.Refuse(recovery.Usage, err.Error()+"; it makes no table: is it a dump of the data alone? Make one with the tables: pg_dump without --data-only")
}
