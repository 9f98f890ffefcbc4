// Package load is a test of the whole program under many sessions: idle, busy, and
// coming all at once, more than there is room for, and with no room for files.
//
// `go test` runs it small; `make load` with SESSIONS=10000 idle ones and a tenth
// of that busy, and prints what they take. Where one proxy may not open files for so many,
// several have them, and it says so. What is asserted is that every client
// gets an answer, the right one, and that nothing of it stays; memory and times
// are printed.
package load
