// Package protect installs, shows and removes the in-database guard: triggers
// that hold the limits for connections that go around the proxy, and keep the
// keys of what these remove in the database itself.
//
// # What is installed
//
// A schema, rowback, and on every guarded table four triggers, all of them per
// statement: around DELETE, where the rows are counted in the transition table,
// and around TRUNCATE, where they are counted before they go. Tables whose link
// to a guarded one is ON DELETE SET NULL or SET DEFAULT have one for each row, that
// records the link as it is cut; it fires while a guarded DELETE is under way alone.
// Guarding a table
// takes in its partitions (a DELETE on a partition fires that one's triggers
// alone; a DELETE on the root fires the root's alone, for all rows), the tables
// that inherit from it, and those that a DELETE cascades to. An event trigger
// watches DROP, where the role may create one.
//
// Trigger functions are written for the table's key, in static SQL: the proxy's
// reach analysis sees that they remove nothing, and goes on capturing keys. They
// are SECURITY DEFINER with a pinned search_path, and call no code that the
// owner of a table could have written. The triggers' arguments hold version and
// limits, so that a dump and its restore keep them.
//
// # How it judges
//
// The rows of a transaction are added up in rowback.evidence itself: each record
// carries the running total, savepoints take it back with the record, and no
// client can write it. The setting rowback.open says which statements are under
// way, so that the verdict falls when the last cascade is counted, with the exact
// numbers. Clients could set it; the most that this brings them is that the
// verdict waits until COMMIT, where a deferred trigger gives it.
//
// A statement that came through the proxy is the proxy's to judge: it carries a
// ticket (see Ticket), and the triggers leave it alone.
//
// # What the proxy does
//
// For each database, over its control connection and on its timer: read Secret
// (again each time: it may be made anew), and Collect. Without a control
// connection, or a secret, it does nothing, and the triggers count beside it.
//
// For each session, in what it sends before a guarded statement, in the same
// transaction: evaluate SessionSQL, once, and again in every transaction where a
// pooler stands between (the answer then changes); and SetTicket(Ticket(secret,
// session)). Both are expressions, and fit into the reading of the counters. After
// the statement, with the second reading: SetTicket(""), so that what the proxy
// does not judge is judged by the triggers. Where the statement fails, or its
// savepoint is rolled back, the server takes the ticket back by itself; triggers
// that are deferred to COMMIT must be made to fire before the second reading. A
// statement that the proxy lets through uncounted (mode off for it) goes without
// a ticket, unless the proxy is to allow it.
//
// # Promises
//
// Evidence commits or vanishes with the transaction that it is evidence of.
// Ordinary roles can neither read nor write it. Install does everything in one
// transaction, or nothing, and running it again changes nothing that is as it
// should be. Remove takes away what Install made and nothing else.
//
// # Limits
//
//   - Of a refused statement nothing is kept: its record is rolled back with it.
//     The server's log has the error (RB001).
//   - In a session with session_replication_role = replica (logical replication,
//     a restore, superusers) nothing fires, and nothing is counted.
//   - A partition, child or referencing table made later is not covered, until
//     Install runs again; Status names it. DELETE and TRUNCATE through the root
//     of a partitioned table count its rows all the same.
//   - Links that ON DELETE SET NULL and SET DEFAULT cut are recorded one by one, at
//     about the cost of the server's own UPDATE of the row. What a trigger or the same
//     statement sets to NULL meanwhile is recorded with them.
//   - Rows that left through a table which others inherit from are counted, and
//     their keys not captured: nothing tells which of the tables had held them.
//   - Keys are not captured of tables without a key, or whose key columns were
//     changed since Install.
//   - A TRUNCATE over the limit in alert mode is recorded without its keys.
//   - When a table is dropped its rows cannot be counted any more. In block mode
//     the DROP of a guarded table is refused, unless the session says
//     SET rowback.allow_drop = on; what goes through is recorded with an estimate.
//     DETACH PARTITION takes no rows away and is not looked at.
//   - Owners of a table may disable its triggers; the owner of the schema and
//     superusers may do what they like.
//   - A dump of the database holds the secret: whoever has it can make tickets
//     (InstallOptions.NewSecret makes them worthless).
//   - Evidence stays in the database until CollectOptions.Forget or a purge.
//   - Foreign tables cannot be guarded, nor partitioned tables that have one.
//   - The ticket needs a schema whose owner may see every session's start: a
//     superuser, or a member of pg_read_all_stats. Without that the triggers
//     count beside the proxy.
package protect
