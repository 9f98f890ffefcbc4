package pgjournal

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// large is from how many bytes on an entry's blocks are deleted with it. Those of
// smaller ones stay until their partition goes: its size bounds what they take.
const large = 64 << 10

// partitioned is the migration that splits block and image by the entry's number.
// A partition holds about 64 MiB, or a fiftieth of the whole: so there are about
// fifty, however much it is. That no foreign key leads to entry is what lets one go
// by DROP TABLE. The functions run as the tables' owner: a user with rights on
// rows alone can call them.
const partitioned = `
LOCK TABLE entry, block, image IN ACCESS EXCLUSIVE MODE;

-- What the partitions block_<lower> and image_<lower> are for: entries from lower
-- on, up to upper and without it.
CREATE TABLE partition (
	lower       bigint PRIMARY KEY,
	upper       bigint NOT NULL
);

ALTER TABLE block DROP CONSTRAINT block_entry_fkey;
ALTER TABLE image DROP CONSTRAINT image_entry_fkey;
ALTER TABLE block RENAME TO block_0;
ALTER TABLE image RENAME TO image_0;
ALTER INDEX block_pkey RENAME TO block_0_pkey;
ALTER INDEX image_pkey RENAME TO image_0_pkey;
CREATE TABLE block (LIKE block_0 INCLUDING STORAGE, PRIMARY KEY (entry, no)) PARTITION BY RANGE (entry);
CREATE TABLE image (LIKE image_0 INCLUDING STORAGE, PRIMARY KEY (entry, no)) PARTITION BY RANGE (entry);
DO $do$
DECLARE
	bound bigint := (SELECT last_value + 10000 FROM entry_no_seq);
	g     record;
BEGIN
	INSERT INTO partition VALUES (0, bound);
	EXECUTE format('ALTER TABLE block ATTACH PARTITION block_0 FOR VALUES FROM (MINVALUE) TO (%s)', bound);
	EXECUTE format('ALTER TABLE image ATTACH PARTITION image_0 FOR VALUES FROM (MINVALUE) TO (%s)', bound);
	-- Who may read or write the old tables may do so with the new ones.
	FOR g IN SELECT c.relname, a.grantee, a.privilege_type AS may FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
		WHERE c.oid IN ('block_0'::regclass, 'image_0'::regclass) AND a.grantee <> c.relowner
	LOOP
		EXECUTE format('GRANT %s ON %I TO %s', g.may, split_part(g.relname, '_', 1), CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END);
		EXECUTE format('GRANT SELECT ON partition TO %s', CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE g.grantee::regrole::text END);
	END LOOP;
END $do$;

-- Makes the next partitions where more than half of the last one's numbers are drawn.
CREATE FUNCTION extend() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = rowback_journal, pg_temp AS $$
DECLARE
	last  partition;
	drawn bigint;
	total bigint;
	each  bigint;
	bound bigint;
BEGIN
	LOCK TABLE partition IN SHARE ROW EXCLUSIVE MODE; -- one caller at a time
	SELECT * INTO last FROM partition ORDER BY lower DESC LIMIT 1;
	SELECT last_value INTO drawn FROM entry_no_seq;
	IF drawn <= (last.lower + last.upper) / 2 THEN
		RETURN;
	END IF;
	SELECT coalesce(sum(pg_total_relation_size(inhrelid)), 0) INTO total FROM pg_inherits WHERE inhparent IN ('block'::regclass, 'image'::regclass);
	SELECT greatest(avg(least(bytes, 65536)), 1) INTO each FROM (SELECT bytes FROM entry ORDER BY no DESC LIMIT 1000) e;
	bound := greatest(last.upper, drawn) + greatest(1000, least(1000000, greatest(64 << 20, total / 50) / each));
	EXECUTE format('CREATE TABLE block_%s (LIKE block INCLUDING STORAGE)', last.upper);
	EXECUTE format('CREATE TABLE image_%s (LIKE image INCLUDING STORAGE)', last.upper);
	EXECUTE format('ALTER TABLE block ATTACH PARTITION block_%s FOR VALUES FROM (%1$s) TO (%s)', last.upper, bound);
	EXECUTE format('ALTER TABLE image ATTACH PARTITION image_%s FOR VALUES FROM (%1$s) TO (%s)', last.upper, bound);
	INSERT INTO partition VALUES (last.upper, bound);
END $$;

-- Drops the partitions in which no entry is left, and empties those of all but the
-- entries in doubt where nothing else is. It does not wait long for who is writing.
CREATE FUNCTION retire() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = rowback_journal, pg_temp SET lock_timeout = '200ms' AS $$
DECLARE
	p partition;
BEGIN
	LOCK TABLE partition IN SHARE ROW EXCLUSIVE MODE;
	FOR p IN SELECT * FROM partition
		WHERE upper <= (SELECT last_value FROM entry_no_seq) AND lower < (SELECT max(lower) FROM partition)
		AND NOT EXISTS (SELECT FROM entry WHERE no >= lower AND no < upper AND outcome <> 'in_doubt')
		ORDER BY lower LIMIT 50
	LOOP
		IF EXISTS (SELECT FROM entry WHERE no >= p.lower AND no < p.upper) THEN
			DELETE FROM block b WHERE b.entry >= p.lower AND b.entry < p.upper AND NOT EXISTS (SELECT FROM entry WHERE no = b.entry);
			DELETE FROM image i WHERE i.entry >= p.lower AND i.entry < p.upper AND NOT EXISTS (SELECT FROM entry WHERE no = i.entry);
			CONTINUE;
		END IF;
		-- Who has drawn a number has locked block first: behind this lock the look is the last one.
		LOCK TABLE block, image IN ACCESS EXCLUSIVE MODE;
		CONTINUE WHEN EXISTS (SELECT FROM entry WHERE no >= p.lower AND no < p.upper);
		EXECUTE format('DROP TABLE block_%s, image_%1$s', p.lower);
		DELETE FROM partition WHERE lower = p.lower;
	END LOOP;
END $$;
`

// hasRoom is whether a number is in the first half of the last partition's: then
// nobody need make the next one yet.
const hasRoom = "e.no <= (SELECT (lower + upper) / 2 FROM partition ORDER BY lower DESC LIMIT 1)"

// extend sees to it that there is a partition for the entries to come.
func (j *shared) extend(ctx context.Context) error {
	return j.attempt(ctx, 0, func(ctx context.Context, c *pgx.Conn) error { return call(ctx, c, "SELECT extend()") })
}

// retire lets go of the partitions that nothing needs. Where somebody is in the way
// it is for the next time.
func (j *shared) retire(ctx context.Context) error {
	return j.write(ctx, 0, func(ctx context.Context, c *pgx.Conn, _ bool) error {
		if err := call(ctx, c, "SELECT retire()"); !isBusy(err) {
			return err
		}
		return nil
	})
}

// call calls a function that looks again once it has a lock, which takes READ COMMITTED.
func call(ctx context.Context, c *pgx.Conn, function string) error {
	return pgx.BeginTxFunc(ctx, c, pgx.TxOptions{IsoLevel: pgx.ReadCommitted}, func(tx pgx.Tx) error {
		_, err := tx.Exec(ctx, function)
		return err
	})
}

// hasNoPartition: an entry's number is beyond the last partition.
func hasNoPartition(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "23514"
}

// isBusy: a lock was not to be had in time.
func isBusy(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "55P03"
}
