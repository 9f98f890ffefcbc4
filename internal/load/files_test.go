package load

import (
	"os"
	"strconv"
	"syscall"
)

// asked is how many sessions there are to be: SESSIONS, or enough to show that it works.
func asked() int {
	if n, err := strconv.Atoi(os.Getenv("SESSIONS")); err == nil && n > 0 {
		return n
	}
	return 400
}

// files is how many this process, and each that it starts, may open: a proxy needs
// two for each session, keeps up to 1,000, and has some of its own.
var files = mayOpen(2*(asked()+10) + 1000)

// each is how many sessions one proxy has files for.
func each() int { return (files-min(files/8, 1000))/2 - 10 }

// sessions is how many idle sessions there are at a time: those asked for, if this
// process, which needs one file for each, and pgbouncer may open so many.
func sessions() int { return min(asked(), files-min(files/8, 1000)) }

// fleet is how many proxies there must be for so many sessions.
func fleet() int { return (sessions() + each() - 1) / each() }

// busy is how many sessions there are that do something all the time.
func busy() int { return max(asked()/10, 40) }

// mayOpen raises the limit to so many files; the hard one, too, where this process may
// do that (CAP_SYS_RESOURCE). It returns what the limit is then.
func mayOpen(need int) int {
	var is syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &is); err != nil {
		panic(err)
	}
	n := max(uint64(need), is.Cur)
	for _, want := range []syscall.Rlimit{{Cur: n, Max: max(n, is.Max)}, {Cur: min(n, is.Max), Max: is.Max}} {
		if syscall.Setrlimit(syscall.RLIMIT_NOFILE, &want) == nil {
			return int(min(want.Max, 1<<24))
		}
	}
	return int(min(is.Max, 1<<24))
}
