// Package e2e is a test of the whole program, built and run as users run it:
//
//   - clients: psql, psycopg2, JDBC, pgx and lib/pq each run one script directly and
//     through `rowback proxy`, and what they print is compared to the byte. The
//     deletions in it stay below the threshold: above it, clients are meant to see
//     a difference.
//   - clients of other languages (languages_test.go): the same on common tables
//     (testdata/clients.sql), a script each. The journal then names just the rows
//     that are gone; and what a blocked DELETE looks like is asked separately.
//   - the own test suites of pgx and lib/pq (suites_test.go): what passes directly
//     passes through the proxy. `make test` leaves out pgx's slowest tests and what
//     hardly speaks to a server; `make clients` runs them whole. What a proxy cannot
//     have is left out by name, with the reason.
//   - poolers: pgbouncer before the proxy and behind it, in session and in transaction
//     mode, with clients of one pool in turn: counted, blocked, recorded, canceled.
//     In transaction mode, named prepared statements and what else belongs to a
//     session are left out, as without the proxy.
//   - restores: what the proxy captured comes back, also in random schemas, where
//     an oracle says what must.
//   - the demo: whole, interrupted, and left running.
//   - the README: every command in it, in order.
//   - the sample, examples/rental.sql: incidents on it, and every command that only
//     reads.
package e2e
