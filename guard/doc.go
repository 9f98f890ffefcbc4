// Package guard judges sessions: it counts the rows that statements remove,
// captures their keys, refuses or reports what is over the limit, and makes the
// evidence durable before the transaction may commit.
//
// # The life of a deleting statement
//
// Wants lets everything through that cannot matter, by a scan of the text. What
// is left is parsed, and each statement gets a route:
//
//   - capture: a DELETE on an ordinary table. It is sent in a form that also
//     returns the keys of the rows it and its cascades remove (sqlparse.Capture).
//   - take: TRUNCATE and DROP TABLE. The tables are locked, their keys read,
//     then the client's own statement runs; where its transaction keeps its
//     snapshot, the server is made to count what that does not show (present.go).
//   - count: what may delete but cannot be rewritten (functions, MERGE, nested
//     DELETE, DO, views, text that does not parse). The client's statement runs
//     unchanged between two readings of the server's own counters.
//   - refuse: what cannot be undone by a rollback or counted at all (DROP
//     DATABASE), and procedures that commit by themselves.
//   - control: BEGIN, COMMIT, savepoints.
//
// Captured and counted statements are both bracketed by the server's counters
// (pg_stat_get_xact_tuples_deleted); the number judged is the server's. Where it
// differs from the captured keys the entry says keys_captured: false.
//
// The verdict falls when the statement has run and before anything can commit:
// in the extended protocol an implicit transaction ends at Sync, not at Execute,
// so a simple Query holding a deleting statement is run as Parse, Bind, Execute,
// and its Sync is held back. A refused statement's transaction is doomed by
// executing a portal that does not exist, whose name says why in the server's log.
//
// # Settling
//
// An entry whose outcome no session saw (the proxy or the server died around the
// commit, the transaction was prepared, the journal failed just then) stays in
// doubt until the server is asked: before the next judged message of any session
// of its database, or over a connection of our own where there are credentials.
// Within one run of the server the transaction's status is the truth. After a
// crash, or a failover, its id may have been issued again, so the rows must agree: a row
// older than the transaction was not removed by it. Nor does it say anything that a row is
// gone which a later entry removed, in the ten minutes after; and where an entry of the
// new run has the same id, or a lower one, the transaction was lost. What cannot be told stays in doubt.
// Of a database that is gone, or has another name, the status alone is asked. People are
// told of what comes to be known so, once, by who records it.
//
// That a transaction is prepared is recorded as soon as it is seen, before the client
// is told where that goes through the proxy: from then on its status is the truth on
// that timeline of the server, after any number of crashes, whoever ends it and where.
//
// # Promises
//
// No deleting transaction commits before its entry is durable; if the journal
// cannot be written the statement gets RB002. The client sees its own columns,
// tags, descriptions and error positions. Injected prepared statements and
// portals are closed in the same exchange. Of a DELETE that is refused it gets no
// row, as of one that fails in the server; of what is counted it may.
//
// # Limits
//
// A pipeline of different DELETEs is judged one by one, at the price of a round trip
// each; repeated runs of one prepared statement go to the server together (batch.go):
// what triggers remove on the way is then counted as the last one's.
// With synchronous_commit off a server crash, and without a synchronous standby a
// failover, may undo a commit that the server has confirmed: its entry then says
// committed, and its rows are there.
//
// A cascade's keys are read as its tables were when the statement began, its rows go as
// they are when the server comes to them. Where others have added rows meanwhile, or
// removed some, the numbers differ: then the keys are found from outside, over a control
// connection (recount.go); without one, or in a table that is too large to be read while
// the client waits, the entry says keys_captured: false. As many that others have moved out of the cascade as
// added to it are noticed, for what was captured is still there (exchange.go); as many removed
// as added, in one table and in that time, are not, nor is a key that others change in it.
//
// Triggers that are deferred to COMMIT are made to run before it (SET CONSTRAINTS), where
// they may delete. Cursors over what may delete are refused in block mode. All that
// runs while one is open, or a portal is bound that has not run, is counted, for it may
// fetch from that; but not what a cursor WITH HOLD deletes at COMMIT itself: that is
// refused in block mode. FETCH from a named portal that is bound
// to a DELETE shows the captured columns too.
//
// The server's counters also hold what a subtransaction has taken back (an
// exception block of PL/pgSQL) and rows that an UPDATE moves between partitions:
// where such a statement is counted, the number may be too high, never too low.
// Rows that a TRUNCATE or DROP inside a function takes cannot be counted (that a table
// which the transaction has rewritten was truncated is made to show: rewritten.go): in
// block mode that is refused unless the policy allows what is uncountable, in
// alert mode the entry has an estimate, and says so.
//
// A change of the catalog made through the proxy is seen at once. Of one made
// past it, a foreign key, trigger, rule or partition that matters to a DELETE is
// seen by that DELETE, which then fails with SQLSTATE 40001 and is to be run
// again; the rest (a function's body) within Options.Refresh. A catalog that nobody has
// looked at for two such times is not believed by who cannot look now: all is counted
// then, as after a change. What it is on a standby is kept apart from the primary's.
//
// A transaction at REPEATABLE READ or SERIALIZABLE reads the catalog as it was when
// it began, and runs the triggers that there are now: there every table's counter is
// read around each DELETE. Which level it is, is asked once in a transaction block;
// a session without blocks is asked once, and then told by each reading: what is
// set in between is known from the second statement on.
//
// What a long message takes while it is judged comes out of proxy.Info.Memory (noroom.go): where
// there is no room its statement fails with SQLSTATE 53200, and its transaction with it; a
// session ends where that cannot be told so.
//
// DROP DATABASE is refused in block mode; where it goes through, its entry has no
// numbers. A FunctionCall of a function that may delete is run as a SELECT.
//
// A procedure or DO that may delete and commits by itself, where it goes through, has an
// entry without numbers before it runs (outside.go); a second one has them, if it ends well.
// So has one that is run while the catalog is not known.
// It also commits what was removed before it in
// the same implicit transaction: evidence of that is made before it is called (vouch.go).
// If it did not commit, that entry stands for a part of the transaction. In
// a Query of several statements the server would not let it commit; where one of
// them removes rows, and so each is run by itself, it does.
//
// Rows of a foreign table are counted by the tag of a DELETE (also run by SQL
// EXECUTE), and before a TRUNCATE. A DELETE from one inside another statement, a
// function, a trigger or a DO block is refused in block mode, and has an entry
// without numbers in alert mode; one in dynamic SQL that does not name the table
// is not seen.
//
// What a cursor or portal runs is judged when that is declared or bound: not
// that a function which it calls is made one that deletes before it is fetched from.
//
// A DELETE prepared before another table of its name was made, earlier in
// search_path, is captured from the table that the name means now. One that
// changes the meaning of its own name and removes no row gets 40001 once.
//
// # Rules
//
// What is judged, and how, is package policy's to say: for each table that loses
// rows the rule that it falls under (verdict.go). Windows are kept in memory and
// begun from the journal (window_replay.go), or counted in it (see below). What was judged
// counts by the rule that judged it, and as long as it is removed: a savepoint takes it
// out (removals.windowed). Somebody's leave is for the statement that is over, and takes
// that one's rows of an allowance. Where a rule holds, the statement waits in
// its session while the journal is asked for an answer (hold.go); before it runs,
// if a probe can tell (foresee.go). What is held for its kind is asked about with its rows, where
// they can be counted ahead: one question (kinds.go). Whose leave a transaction had is in its entry.
// What an allowance gave to a transaction that the proxy did not live to see
// rolled back stays used; one that it did see settled so, after PREPARE, gives it back.
//
// While a proxy's process and the one that takes over from it write one embedded
// journal (Beside), each counts what the other removed as the journal shows it, every
// Options.Refresh: so much later is a window that only both together fill seen as full.
//
// # Several proxies
//
// Where the journal is shared (journal.Fleet), windows are counted in it: what is
// removed anywhere counts everywhere at once. A statement that could not be counted
// is stopped at its commit, with RB002. While a proxy has new rules and another one
// has not yet, each counts by its own. Entries in doubt of a proxy that is gone, or
// that are still there after a while, are settled by any other of the same server's
// cluster: an entry says which one that is.
//
// # Images
//
// Where a table's rule says capture: rows, the whole row travels beside its key: by
// capture and by take, as one bytea that the server makes (sqlparse.ImageExpr), in
// its types' own binary forms, so no setting of the session changes it. The client
// sees nothing of it. What cannot be had whole is said in the entry and in the log,
// and its keys are kept as ever: rows that are counted; rows of inheritance children
// that go through their parent and have more columns; in a session whose
// client_encoding is not UTF8 columns of enums, composites and the like; a database
// in SQL_ASCII. Rows of a cascade are locked as their images are read, for others may
// change them until the cascade comes to them. Where they cannot be, the counters'
// readings tell whether anybody can have changed them (run.outrun). An image that is kept counts for uncaptured as a key does. Columns
// of a key are never excluded: the keys hold them anyway. Soft deletes leave the
// row where it is, and so no image.
//
// It costs what it carries: the server sends every removed row, and where rows hang
// on others it keeps them in temporary files until then (temp_file_limit). A row
// that is larger than a message (1 GiB, uncompressed) cannot be deleted under such
// a rule. In the proxy the largest row is in memory, and 4 MiB of blocks a
// transaction; the rest is in a temporary file.
//
// # Temporary tables
//
// Temporary tables are not judged, unless a rule asks for it: then DELETE
// is, by its tag, without keys.
package guard
