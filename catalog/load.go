package catalog

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// Load reads the catalog of the session's database. Five queries, one round
// trip each; any role may run them, inside or outside a transaction, whatever
// the session's search_path and settings. They take no locks beyond those of
// reading the system catalogs.
//
// The fingerprint is taken first: a change during Load shows at the next check. So
// are the signatures, in one query with the tables: none is newer than anything that
// it stands for, such as a foreign key whose table was not there yet.
func Load(ctx context.Context, q Querier) (*Snapshot, error) {
	rows, err := q.Query(ctx, operators.Replace(headerSQL+fingerprintSQL))
	if err != nil {
		return nil, fmt.Errorf("catalog: %w", err)
	}
	l, version, hex, err := header(rows)
	if err != nil {
		return nil, err
	}
	l.snapshot.Version = version
	for _, parts := range [][]string{
		{relationsSQL, typesSQL, signaturesSQL},
		{columnsSQL},
		{sequencesSQL, keysSQL, foreignKeysSQL, triggersSQL, rulesSQL},
		{functionsSQL, domainsSQL, edgesSQL, builtinsSQL},
	} {
		rows, err := q.Query(ctx, query(version, hex, parts...))
		if err != nil {
			return nil, fmt.Errorf("catalog: %w", err)
		}
		if err := l.documents(rows, hex); err != nil {
			return nil, err
		}
	}
	l.finish()
	return l.snapshot, nil
}

// oldest is the first server version whose catalogs are as the queries expect.
const oldest = 130000

func header(rows [][]*string) (l *loader, version int, hex bool, err error) {
	if len(rows) != 1 || len(rows[0]) != 4 {
		return nil, 0, false, errors.New("catalog: the first query returned no row")
	}
	values := make([]string, 4)
	for i, v := range rows[0] {
		if v != nil {
			values[i] = *v
		}
	}
	if version, err = strconv.Atoi(values[0]); err != nil || version < oldest {
		return nil, 0, false, fmt.Errorf("catalog: server version %s is not supported: PostgreSQL 13 or newer is needed", values[0])
	}
	database, err := unhex(values[2])
	if err != nil {
		return nil, 0, false, fmt.Errorf("catalog: database name: %w", err)
	}
	// SQL_ASCII passes the database's bytes as they are, like UTF8 does for UTF8.
	hex = values[1] != "UTF8" && values[1] != "SQL_ASCII"
	return newLoader(database, values[3]), version, hex, nil
}

func (l *loader) documents(rows [][]*string, hex bool) (err error) {
	for _, row := range rows {
		if len(row) != 2 || row[0] == nil || row[1] == nil {
			return errors.New("catalog: a query returned a row of another shape")
		}
		text := *row[1]
		if hex {
			if text, err = unhex(text); err != nil {
				return fmt.Errorf("catalog: %w", err)
			}
		}
		if err := l.document(*row[0], text); err != nil {
			return err
		}
	}
	return nil
}
