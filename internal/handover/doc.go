// Package handover lets a process start the one that takes its place: it gives
// open files away (listening sockets, locks) and stays to be asked until its own
// work is done.
//
// The older process calls Start. The newer one, which calls Inherit first of all,
// prepares itself, then calls Elder.Ready: the older one stops taking new work, and
// only when it has said so the newer one begins. A newer one that ends before
// that, or is killed, has changed nothing.
//
// Each generation knows the one before it alone, and passes on what concerns those
// before that. So it has to live as long as they do: Elder.Gone.
//
// tableflip, which does the same, takes no next generation while the one before
// the last still lives; sessions of a database last for days.
package handover
