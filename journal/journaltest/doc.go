// Package journaltest is the suite that every implementation of
// journal.Journal passes. Promises of the interface are tested here; what is
// particular to one implementation is tested beside it.
//
// Some tests write from processes of their own and kill them: the test binary
// runs itself again, so its TestMain must call Child first.
package journaltest
