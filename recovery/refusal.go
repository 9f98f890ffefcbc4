package recovery

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// RefusalKind says whose move it is.
type RefusalKind int

const (
	Usage   RefusalKind = iota // the request or the configuration is wrong
	Unfit                      // the databases do not allow it as they are
	Denied                     // a privilege or a confirmation is missing
	Differs                    // rows are there with other values, and the caller wants all or nothing
)

// Refusal is why a restore, or another request, did not begin. Nothing was written.
type Refusal struct {
	Kind     RefusalKind
	Problems []string // each says what is wrong and how to mend it
}

func (r *Refusal) Error() string {
	if len(r.Problems) == 1 {
		return r.Problems[0]
	}
	return "\n  - " + strings.Join(r.Problems, "\n  - ")
}

func refuse(kind RefusalKind, problems ...string) error {
	if len(problems) == 0 {
		return nil
	}
	return &Refusal{Kind: kind, Problems: problems}
}

// failed: err is no problem of what was asked for, to be listed with others: a privilege is
// missing, the server gave up (a lock, a restart), or the connection is gone.
func (r *restore) failed(err error) bool {
	var refused *Refusal
	if errors.As(err, &refused) {
		return refused.Kind != Unfit
	}
	if code := sqlState(err); code != "" {
		return slices.Contains([]string{"08", "40", "53", "55", "57", "58", "XX"}, code[:2])
	}
	return slices.ContainsFunc(r.sides(), func(s *side) bool { return s.conn.IsClosed() })
}

// ErrDeclined: the person who was asked said no.
var ErrDeclined = errors.New("declined; nothing was written")

// ErrStopped: the context ended before the commit.
var ErrStopped = errors.New("stopped before the commit; nothing was written")

// ErrUnverified: a check before COMMIT failed and everything was rolled back.
// The report that comes with it lists what was found.
var ErrUnverified = errors.New("verification failed, everything was rolled back")

// errRace: the rows changed between planning and writing; a new try sees them.
type errRace struct {
	what          string
	schema, table string // of the constraint; "" if it is another matter
}

func (e *errRace) Error() string { return e.what }

// last is what is said of it after the last try: of other sessions, and of what else it
// may be, for what is in conflict each time may be so without any.
func (e *errRace) last(try int, otherwise, blame string) error {
	if otherwise != "" {
		otherwise = "; if none does, " + otherwise
	}
	if strings.Contains(e.what, blame) {
		blame = ""
	}
	return fmt.Errorf("%w: %s (in each of %d tries; if other sessions write such rows all the time, run it again, a restore with --batch N: short transactions come between%s)%s", ErrUnverified, e.what, try, otherwise, blame)
}
