// Package recovery brings back the rows that a deletion removed: exactly
// those, from a recovery database into production, verified before commit.
//
// A restore is one path: plan → collect → insert → verify → resync → analyze
// → report. The rows are collected once, by key, from one read-only snapshot
// of the recovery database into temporary tables of a session on production.
// All that is written to production after that is one transaction, which is
// tried again as a whole after a deadlock or a race; a dry run takes the same
// path up to its first write.
//
// Each requested key is one of: absent and in the backup (restored), there and
// identical (already present), there and different, in conflict with another
// live row, or restored one, over a unique value or with no partition to go to, hanging on a
// parent that is gone, left out by the configuration, or missing in the backup.
// Only the first is written. Live rows are never overwritten
// and never deleted; what is changed in a live row is a link that the deletion cut
// (ON DELETE SET NULL, SET DEFAULT) and that is still cut, and the marks of a soft
// delete that still are as it left them, with what the same UPDATE set besides. Where production would not take the row as
// it was (a foreign key, a unique or exclusion constraint, a CHECK, rows that refer
// to what it holds now), it stays as it is and is listed. So it is with an undo.
//
// Promised before COMMIT: as many rows as planned were inserted, each is equal
// to its collected row bit for bit, every foreign key of theirs holds, and no
// unique or exclusion constraint was slipped past. Any doubt rolls everything
// back. The evidence of the restore is durable in the journal before COMMIT.
//
// # Images
//
// Where the journal has the image of a row, that is its source: it is newer than
// any backup. Images are loaded by COPY into temporary tables with the types that
// the rows had, and go the same way from there: converted by assignment where a
// type has changed, classified, inserted, verified bit for bit against what was
// loaded. Without a recovery database rows that have no image are missing.
// Excluded columns come from the recovery database where it has the row, other columns
// that images lack where the row is otherwise the same there; else they
// get their default. Of several images of a row that of the latest deletion counts.
// Columns of types that hold another object's number (regclass, …) get that number
// again. Large objects are in no image.
//
// Rows of a table without a key can come from images only. There a row is absent
// if no live row is identical to it, and no restore of the same deletion that the
// journal knows of has brought it back into this database: then it may have been
// changed since, and is listed. Both are looked at once no other session can
// write the table any more; what the journal has in doubt the server is asked, and where
// it cannot tell the rows stay out. An undo goes by the transaction that wrote the rows.
//
// Not done, and refused by name before anything is written: tables whose keys
// were not captured or have no identity (and no images), foreign tables, views, tables with
// rules on INSERT, rows hidden by row-level security, columns whose type changed
// in a way that may not keep the value, rows that break a NOT NULL or CHECK which
// production has since. The configuration (Config) mends most of it: it says what
// has become of tables and columns, what columns get, and what stays out.
//
// A foreign key with PERIOD holds if live and restored parents cover the row's
// range together; brought back on request is only a parent of just that range.
//
// Of rows of one restore that exclude each other those of the latest deletion come
// back. Generated columns are made by production; where rows are looked up by one it
// is made in staging, too.
//
// A table with inheritance children is itself alone (ONLY): its rows, its keys,
// its foreign keys. Children are tables of their own.
//
// Parents brought back on request are those of restored rows; a cut link whose
// parent is gone under another deletion is listed, and whole after that one is
// restored too. A link that was cut, re-pointed, and cut again by a later
// deletion gets that one's parent, where that one is restored; of the earlier one
// alone it is listed, if the journal has the later one. A row that another soft delete
// on record, not restored, had marked before, or has again since, stays marked and is
// listed. A row that was removed after its link was cut or after a soft
// delete comes back, where both are restored, as it was before both: with its link, if its parent is there,
// and with the recovery database's values of the marks. A link cut to a default that
// is volatile is listed: what it was set to is not known. A foreign key that only a partition has stops the restore as
// a whole where a row breaks it. A sequence more than ten million steps behind is reported, not
// moved.
//
// Large objects that restored rows name (columns of type oid, or lo) come back
// with them if production has none of that number. They belong to the role of
// the restore; one that is there is left as it is, whatever it holds.
//
// With Options.Batch a restore is several transactions, each planned, verified
// and on record by itself; parents come first, so production is whole after each.
// The same restore, run again, goes on where the last one ended.
// Rows that a later deletion on record removed again, which is not asked for, too, it
// leaves out and lists.
//
// Undo takes restores back: rows that nobody has touched since, links that still
// are as restored, unless their parents stay; one that several of them set back is the
// last one's, and one that another restore gave back since, that one's. Large objects
// stay, and so does a sequence's position. For the rows that it took back later restores
// go by the journal as if neither had been.
//
// Memory on our side does not grow with the rows restored, only with the rows
// that could not be and are listed in the report.
package recovery
