package pgtest

import "syscall"

// dieWithParent: an immediate shutdown when the thread that starts it ends.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGQUIT }
