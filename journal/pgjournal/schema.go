package pgjournal

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/rowback/rowback/journal"
)

// Schema is where the tables are.
const Schema = "rowback_journal"

// migrateLock is the key of the advisory lock under which the schema changes: "rwbkjrnl".
const migrateLock = 0x7277626b6a726e6c

// migrations[n] takes the schema from version n to n+1. What was released is
// never edited, only added to, and in a way that proxies of version n can live
// with: a fleet is upgraded one by one.
var migrations = []string{
	`
-- One row: what is here, and whose. id is the journal's identity.
CREATE TABLE journal (
	one         boolean PRIMARY KEY DEFAULT true CHECK (one),
	version     integer NOT NULL,
	id          uuid NOT NULL DEFAULT pg_catalog.gen_random_uuid()
);

-- One row an entry. body is its JSON; the columns are what filters read, and
-- outcome is the one truth about the outcome. time is in nanoseconds of Unix time.
CREATE TABLE entry (
	no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id          text COLLATE "C" NOT NULL UNIQUE,
	time        bigint NOT NULL,
	kind        text NOT NULL,
	outcome     text NOT NULL,
	database    text NOT NULL,
	"user"      text NOT NULL,
	application text NOT NULL,
	proxy       text NOT NULL,
	rows        bigint NOT NULL,
	keys        bigint NOT NULL, -- captured rows, in blocks
	bytes       bigint NOT NULL, -- of the body and all blocks together
	body        json NOT NULL
);
CREATE INDEX entry_list ON entry (time, id);
CREATE INDEX entry_in_doubt ON entry (time, id) WHERE outcome = 'in_doubt';

-- The tables an entry touched, for the filter.
CREATE TABLE touched (
	name        text COLLATE "C" NOT NULL,
	schema      text COLLATE "C" NOT NULL,
	entry       bigint NOT NULL REFERENCES entry ON DELETE CASCADE,
	PRIMARY KEY (name, schema, entry)
);
CREATE INDEX touched_entry ON touched (entry);

-- The captured rows: packed blocks numbered from 0.
CREATE TABLE block (
	entry       bigint NOT NULL REFERENCES entry ON DELETE CASCADE,
	no          integer NOT NULL,
	rows        integer NOT NULL,
	data        bytea NOT NULL,
	PRIMARY KEY (entry, no)
);
ALTER TABLE block ALTER data SET STORAGE EXTERNAL;

-- The images of an entry's rows: how many rows in how many blocks, and, if they are
-- encrypted, with which key, under which number, and the proof that they are this
-- entry's.
CREATE TABLE image_set (
	entry       bigint PRIMARY KEY REFERENCES entry ON DELETE CASCADE,
	rows        bigint NOT NULL,
	blocks      bigint NOT NULL,
	key_name    text NOT NULL, -- '' for none
	set_id      bytea NOT NULL,
	bond        bytea NOT NULL
);
CREATE TABLE image (
	entry       bigint NOT NULL REFERENCES entry ON DELETE CASCADE,
	no          bigint NOT NULL,
	data        bytea NOT NULL,
	PRIMARY KEY (entry, no)
);
ALTER TABLE image ALTER data SET STORAGE EXTERNAL;

-- What people allow. body is the JSON of the allowance without its uses, or of
-- the hold; the other columns repeat of it what is searched for.
CREATE TABLE allowance (
	no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id          text COLLATE "C" NOT NULL UNIQUE,
	time        bigint NOT NULL,
	expires     bigint NOT NULL,
	rows        bigint NOT NULL,
	once        boolean NOT NULL,
	revoked     boolean NOT NULL DEFAULT false,
	used        bigint NOT NULL DEFAULT 0, -- rows of its uses together
	uses        bigint NOT NULL DEFAULT 0, -- how many there are
	body        json NOT NULL
);
CREATE INDEX allowance_expires ON allowance (expires);

CREATE TABLE allowance_use (
	allowance   bigint NOT NULL REFERENCES allowance ON DELETE CASCADE,
	id          text COLLATE "C" NOT NULL,
	time        bigint NOT NULL,
	rows        bigint NOT NULL,
	PRIMARY KEY (allowance, id)
);

CREATE TABLE hold (
	no          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	id          text COLLATE "C" NOT NULL UNIQUE,
	time        bigint NOT NULL,
	state       text NOT NULL,
	body        json NOT NULL
);
CREATE INDEX hold_state ON hold (state, time);

-- The proxies, with the number of each one's advisory lock, and when it last
-- proved that it can write. Name '': tools.
CREATE TABLE proxy (
	no          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	name        text COLLATE "C" NOT NULL UNIQUE,
	seen        timestamptz NOT NULL
);

-- What transactions under way have removed, for windows: see journal.Fleet. per
-- is in seconds, and part of the key: how finely the past is kept hangs on it.
CREATE TABLE count_pending (
	rule        text COLLATE "C" NOT NULL,
	key         text COLLATE "C" NOT NULL,
	per         double precision NOT NULL,
	tx          text COLLATE "C" NOT NULL,
	proxy       text COLLATE "C" NOT NULL,
	rows        bigint NOT NULL,
	at          timestamptz NOT NULL,
	PRIMARY KEY (rule, key, per, tx)
);
CREATE INDEX count_pending_tx ON count_pending (tx);

-- And those that have ended, by the end of the part of the window that they are in.
CREATE TABLE count_past (
	rule        text COLLATE "C" NOT NULL,
	key         text COLLATE "C" NOT NULL,
	per         double precision NOT NULL,
	upto        timestamptz NOT NULL,
	rows        bigint NOT NULL,
	PRIMARY KEY (rule, key, per, upto)
);
`,
	// What a rowback of version 1 cannot read: small blocks have a check sum.
	"",
	partitioned,
}

// readable is the oldest version that has all that is read.
const readable = 1

const setOwner = "SELECT pg_catalog.set_config('role', tableowner, true) FROM pg_catalog.pg_tables WHERE schemaname = '" + Schema + "' AND tablename = 'entry'"

// found is what is at the place of a journal.
type found struct {
	schema, table bool // the schema, and its table journal
	others        int  // other tables in it
	version       int
	id            string
}

func look(ctx context.Context, c *pgx.Conn) (found, error) {
	var f found
	err := c.QueryRow(ctx, `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = $1),
		pg_catalog.to_regclass($1 || '.journal') IS NOT NULL,
		(SELECT count(*) FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r' AND c.relname <> 'journal')`,
		Schema).Scan(&f.schema, &f.table, &f.others)
	if err != nil || !f.table {
		return f, err
	}
	err = c.QueryRow(ctx, "SELECT version, id::text FROM journal").Scan(&f.version, &f.id)
	if errors.Is(err, pgx.ErrNoRows) {
		f.table, err = false, nil
	}
	return f, err
}

// check refuses what this rowback cannot use.
func (f found) check(where string) error {
	switch {
	case !f.table && f.others > 0:
		return fmt.Errorf("%w: schema %s of %s holds other tables; give another database", journal.ErrForeign, Schema, where)
	case f.version > len(migrations):
		return fmt.Errorf("%w: %s has format %d, this rowback knows up to %d; upgrade rowback", journal.ErrNewer, where, f.version, len(migrations))
	}
	return nil
}

// migrate brings the schema to this version, in one transaction, or refuses.
func migrate(ctx context.Context, c *pgx.Conn, where string) (found, error) {
	f, err := look(ctx, c)
	if err == nil {
		err = f.check(where)
	}
	if err != nil || f.table && f.version == len(migrations) {
		return f, err
	}
	err = pgx.BeginFunc(ctx, c, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock($1)", int64(migrateLock)); err != nil {
			return err
		}
		// Another process may have been faster.
		if f, err = look(ctx, c); err == nil {
			err = f.check(where)
		}
		if err != nil {
			return err
		}
		if f.table { // what is new belongs to whom the rest belongs to
			if _, err := tx.Exec(ctx, setOwner); err != nil {
				return err
			}
		}
		if !f.schema {
			if _, err := tx.Exec(ctx, "CREATE SCHEMA "+Schema); err != nil {
				return err
			}
		}
		for n := f.version; n < len(migrations); n++ {
			if _, err := tx.Conn().PgConn().Exec(ctx, migrations[n]).ReadAll(); err != nil {
				return err
			}
		}
		return tx.QueryRow(ctx, `INSERT INTO journal (version) VALUES ($1)
			ON CONFLICT (one) DO UPDATE SET version = excluded.version RETURNING version, id::text`, len(migrations)).Scan(&f.version, &f.id)
	})
	f.schema, f.table = true, true
	return f, err
}
