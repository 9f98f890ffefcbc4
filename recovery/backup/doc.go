// Package backup makes recovery databases out of dumps, and proves that a dump
// or a recovery database is usable.
//
// A dump is loaded into a database that this package has just created, under a
// name that nobody had, and nowhere else: pg_restore is never told --create
// (which would restore into the database that the archive names), and of a
// plain dump no statement is run that leaves the database or makes another one.
// If the load fails, that database is dropped; no other ever is. Owners,
// privileges, tablespaces, publications and subscriptions are left out. The
// database is marked read-only, and a receipt is kept: in the database's
// comment, and as a line in the journal's directory.
//
// Archives (custom, directory, tar) need PostgreSQL's own pg_restore: of those on
// this machine the first that can read the archive, which may be newer than the
// server. What a newer pg_dump writes for every server (a setting, statistics) is
// left out where this one does not know it; what else it does not know, it says. Plain
// dumps, gzipped or not, are read here; commands of psql in them are refused
// but for those that pg_dump writes. Dumps of whole clusters are refused.
package backup
