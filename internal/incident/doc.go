// Package incident makes the data set of one real kind of incident, at its
// published sizes, and the statement that causes it: a shop deletes its test
// orders, some of which were not, and foreign keys take payments, refunds and
// the audit trail along. Customers stay.
//
// The same Size always gives the same rows, byte for byte. The rows that will
// be lost lie scattered over their tables, as in life. The data is made by the
// server itself; nothing but SQL crosses the connection.
package incident
