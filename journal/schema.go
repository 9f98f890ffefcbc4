package journal

import (
	"context"
	"database/sql"
	"fmt"
)

// applicationID marks the file as ours (PRAGMA application_id): "rwbk".
const applicationID = 0x7277626b

// migrations[n] takes the schema from version n (PRAGMA user_version) to n+1.
// What was released is never edited, only added to; and each only adds: an older
// proxy may be writing at the same time.
var migrations = []string{
	`
-- One row an entry. body is its JSON; the columns are what filters read, and
-- outcome is the one truth about the outcome. time is in nanoseconds of Unix time.
CREATE TABLE entry (
	no          INTEGER PRIMARY KEY,
	id          TEXT NOT NULL UNIQUE,
	time        INTEGER NOT NULL,
	kind        TEXT NOT NULL,
	outcome     TEXT NOT NULL,
	database    TEXT NOT NULL,
	user        TEXT NOT NULL,
	application TEXT NOT NULL,
	proxy       TEXT NOT NULL,
	rows        INTEGER NOT NULL,
	keys        INTEGER NOT NULL, -- captured rows, in blocks
	body        BLOB NOT NULL
) STRICT;
-- Listing walks this index by time and filters in it, without the bodies.
CREATE INDEX entry_list ON entry (time, id, kind, outcome, database, user, application, proxy, rows);
CREATE INDEX entry_in_doubt ON entry (time, id) WHERE outcome = 'in_doubt';

-- The tables an entry touched, for the filter.
CREATE TABLE touched (
	name        TEXT NOT NULL,
	schema      TEXT NOT NULL,
	entry       INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,
	PRIMARY KEY (name, schema, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX touched_entry ON touched (entry);

-- The captured rows: packed blocks numbered from 0.
CREATE TABLE block (
	entry       INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,
	no          INTEGER NOT NULL,
	rows        INTEGER NOT NULL,
	data        BLOB NOT NULL,
	UNIQUE (entry, no)
) STRICT;
`,
	// IF NOT EXISTS: a proxy of version 1 that runs on puts version 1 back (its Ping).
	`
-- What people allow. body is the JSON of the allowance without its uses, or of
-- the hold; the other columns repeat of it what is searched for.
CREATE TABLE IF NOT EXISTS allowance (
	no          INTEGER PRIMARY KEY,
	id          TEXT NOT NULL UNIQUE,
	time        INTEGER NOT NULL,
	expires     INTEGER NOT NULL,
	rows        INTEGER NOT NULL,
	once        INTEGER NOT NULL,
	revoked     INTEGER NOT NULL DEFAULT 0,
	used        INTEGER NOT NULL DEFAULT 0, -- rows of its uses together
	uses        INTEGER NOT NULL DEFAULT 0, -- how many there are
	body        BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS allowance_expires ON allowance (expires);

CREATE TABLE IF NOT EXISTS allowance_use (
	allowance   INTEGER NOT NULL REFERENCES allowance ON DELETE CASCADE,
	id          TEXT NOT NULL,
	time        INTEGER NOT NULL,
	rows        INTEGER NOT NULL,
	PRIMARY KEY (allowance, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS hold (
	no          INTEGER PRIMARY KEY,
	id          TEXT NOT NULL UNIQUE,
	time        INTEGER NOT NULL,
	state       TEXT NOT NULL,
	body        BLOB NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS hold_state ON hold (state, time);
`,
	`
-- The images of an entry's rows: how many rows in how many blocks, and, if they are
-- encrypted, with which key, under which number, and the proof that they are this
-- entry's.
CREATE TABLE IF NOT EXISTS image_set (
	entry       INTEGER PRIMARY KEY REFERENCES entry ON DELETE CASCADE,
	rows        INTEGER NOT NULL,
	blocks      INTEGER NOT NULL,
	key_name    TEXT NOT NULL, -- '' for none
	set_id      BLOB NOT NULL,
	bond        BLOB NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS image (
	entry       INTEGER NOT NULL REFERENCES entry ON DELETE CASCADE,
	no          INTEGER NOT NULL,
	data        BLOB NOT NULL,
	UNIQUE (entry, no)
) STRICT;
`,
	// What a rowback of version 3 cannot read: small blocks have a check sum (codecSum).
	"",
}

// migrate brings the schema to this version, in one transaction, or refuses.
func migrate(ctx context.Context, c *sql.Conn, path string) (err error) {
	have, err := schemaVersion(ctx, c, path)
	if err != nil || have == len(migrations) {
		return err
	}
	if _, err := c.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_, _ = c.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
		}
	}()
	// Another process may have been faster.
	if have, err = schemaVersion(ctx, c, path); err != nil {
		return err
	}
	for ; have < len(migrations); have++ {
		if _, err := c.ExecContext(ctx, migrations[have]); err != nil {
			return err
		}
	}
	mark := fmt.Sprintf("PRAGMA application_id = %d; PRAGMA user_version = %d", applicationID, len(migrations))
	if _, err := c.ExecContext(ctx, mark); err != nil {
		return err
	}
	_, err = c.ExecContext(ctx, "COMMIT")
	return err
}

// schemaVersion is the file's schema version, 0 for an empty file.
func schemaVersion(ctx context.Context, c *sql.Conn, path string) (int, error) {
	var version, application, objects int
	err := c.QueryRowContext(ctx, `SELECT user_version, application_id, (SELECT count(*) FROM sqlite_schema)
		FROM pragma_user_version, pragma_application_id`).Scan(&version, &application, &objects)
	switch {
	case err == nil && version < 0:
		return 0, fmt.Errorf("%w: %s has format %d", ErrDamaged, path, version)
	case err != nil:
		return 0, err
	case application != applicationID && (application != 0 || objects > 0):
		return 0, fmt.Errorf("%w: %s is an SQLite database of another application; give another directory", ErrForeign, path)
	case version > len(migrations):
		return 0, fmt.Errorf("%w: %s has format %d, this rowback knows up to %d; upgrade rowback", ErrNewer, path, version, len(migrations))
	}
	return version, nil
}
