// Package doctor looks at everything that a proxy and a restore will need, before
// they need it, and says what would fail and how to mend it.
//
// Nothing is changed: databases are read, a lock that nobody else takes is held
// for an instant to tell whether two addresses are one database, a file is written
// and removed in the journal's directory, and where the proxy's own addresses are
// free they are listened at for an instant. With Options.TestAlerts every sink gets
// a test notice.
//
// A check that cannot be made because another failed is left out: what it would
// say depends on the mend of that one. Where one of the two databases cannot be
// reached, the other is looked at alone.
//
// # Limits
//
// It sees with the roles and from the host that it runs on: run it where the
// proxy runs, as the user that the proxy runs as. That the recovery database has
// a certain row it does not promise; it says how old that database is where the
// server lets it know.
package doctor
