// Package policy says what a session may remove: rules that match sessions and
// tables, and the limits that each sets.
//
// # How a rule is found
//
// Rules stand in order. For a table that loses rows, the first rule whose
// databases, users, applications and networks match the session and whose tables
// match that table decides; where none does, the default (the proxy's own
// settings). A statement whose cascades reach tables of several rules is judged
// by each of them, over the rows of its own tables alone, and the strictest
// verdict stands. What a rule leaves out it takes from the default.
//
// # How rules are written
//
// Parse reads the key rules of the configuration file, ParseDefaults the key
// defaults, which has the same keys but for name and those that match.
//
//	rules:
//	  - name: gdpr batches            # required; shown to clients and kept in the journal
//	    databases: [shop]             # globs (* ? [a-z]); left out: any. Names as stored, without quotes
//	    users: [gdpr]
//	    applications: [nightly-*]     # the client's own word
//	    tables: [orders, "audit.*"]   # in any schema, or schema.table
//	    networks: [10.0.0.0/8, local] # an address, too; local: a unix socket
//	    mode: hold                    # block, hold, alert or off
//	    limits: {statement: 5000, transaction: 20000}  # rows, or unlimited; threshold: 5000 sets both
//	    windows: [{rows: 100, per: 1m, by: [table, user]}]  # by: database, table, user, application, network
//	    fraction: 10%                 # of a table, by one statement; or 0.1
//	    fraction-min: 100             # for tables of so many rows or more (default 100)
//	    where-required: true
//	    refuse: [truncate, drop]      # delete, truncate, drop, drop-column, detach, merge, update, call
//	    uncaptured: block             # or allow
//	    uncountable: block            # or allow
//	    capture: rows                 # or keys: what the journal keeps of removed rows
//	    exclude-columns: [ssn, "people.photo"]  # of capture: rows; globs: column, table.column, schema.table.column
//	    updates: on
//	    soft-delete: {columns: [deleted_at, is_deleted]}    # or off
//	    temporary: on
//	    hold-for: 10m
//	    comment-allowances: {max: 100000}  # or {max: unlimited}; needs users
//
// Keys may be written with underscores. A list in a rule takes the place of the
// default's list, also an empty one. comment-allowances are not inherited.
// Unknown keys, keys given twice and values that make no sense are errors with
// their line. Rules that never match are no error; Shadows finds them.
//
// It is pure: no connection, no clock, no state.
package policy
