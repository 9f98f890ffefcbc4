// Package diff compares production with the recovery database by primary key:
// which rows are in the backup and no longer in production, table by table, and
// whether the journal has their deletion on record.
//
// The keys of both sides are read in one order and merged as they come, so
// memory does not grow with the tables. Each side is read in one snapshot, by
// all sessions. The order does not depend on the servers' versions, collations
// or encodings: integers, uuid and bytea in their own, all else by the bytes of
// its text. That the two orders agree is checked on the way. A row is called lost
// only if it is proved absent: where the order is the type's own and no condition
// was given the two streams prove it, else it is looked up in production once more,
// by the key's own equality and without the condition.
//
// A lost row whose deletion is on record in the journal, as committed and not
// restored since, is marked and not proposed: it is restored, if at all, by
// that deletion's ID. These keys are in a temporary table, which is read as a third
// stream or looked up in: from the first row on that seems lost. A table that lost
// nothing is compared without them.
//
// Not compared: tables without a primary key or a unique index on NOT NULL
// columns, foreign tables, views. They are named in the notes. Contents, where
// asked for, are compared as text.
package diff
