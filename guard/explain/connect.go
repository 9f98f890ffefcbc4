package explain

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/policy"
	"github.com/rowback/rowback/journal"
	"github.com/rowback/rowback/sqlparse"
)

// patience is how long a server may take to let us in and tell its catalog.
const patience = 15 * time.Second

// Database is a connection that says what names mean.
type Database struct {
	conn *pgx.Conn
	snap *catalog.Snapshot
}

// Open connects to a server, in the given database unless that is "", and
// reads its catalog. The caller closes it.
func Open(ctx context.Context, url, database string) (*Database, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		return nil, err
	}
	if database != "" {
		config.Database = database
	}
	config.RuntimeParams["application_name"] = "rowback allow explain"
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, err
	}
	d := &Database{conn: conn}
	if _, err = conn.Exec(ctx, "SET jit = off"); err != nil { // compiling takes longer than all that is asked
		d.Close()
		return nil, err
	}
	if d.snap, err = catalog.Load(ctx, catalog.FromConn(conn)); err != nil {
		d.Close()
		return nil, err
	}
	return d, nil
}

// Close ends the connection.
func (d *Database) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = d.conn.Close(ctx) // only read from
}

// Into fills in what the database knows.
func (d *Database) Into(o *Options) {
	o.Catalog, o.Resolve = d.snap, d.resolve
	if o.Subject.Database == "" {
		o.Subject.Database = d.snap.Database
	}
}

// InVain is the names of an allowance's tables for which rows never count, each with why: no
// table is called that, or partitions only, whose rows are those of the whole table.
func (d *Database) InVain(globs []string) (found []string) {
	for _, g := range globs {
		why := "no table of " + d.snap.Database + " is called " + g
		for _, t := range d.snap.Tables {
			if !policy.MatchesTable([]string{g}, t.Schema, t.Name) {
				continue
			}
			root := t.Root()
			if policy.MatchesTable(globs, root.Schema, root.Name) {
				why = ""
				break
			}
			why = fmt.Sprintf("%s is a partition in %s: its rows count as those of %s", g, d.snap.Database, journal.QuoteName(root.Schema, root.Name))
		}
		if why != "" {
			found = append(found, why)
		}
	}
	return found
}

func (d *Database) resolve(ctx context.Context, n sqlparse.Name) (*catalog.Table, error) {
	var oid *string
	if err := d.conn.QueryRow(ctx, "SELECT to_regclass($1)::oid::text", journal.QuoteName(n.Schema, n.Name)).Scan(&oid); err != nil {
		return nil, fmt.Errorf("looking up %s: %w", journal.QuoteName(n.Schema, n.Name), err)
	}
	if oid == nil {
		return nil, nil
	}
	number, err := strconv.ParseUint(*oid, 10, 32)
	return d.snap.Tables[uint32(number)], err
}
