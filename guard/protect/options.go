package protect

import (
	"fmt"
	"time"
)

// Mode is what happens over a limit.
type Mode string

const (
	Block Mode = "block" // the statement fails with SQLSTATE RB001
	Alert Mode = "alert" // it goes through; the server's log and the journal say so
)

// Limits of one table's guard: they hold for what its statement removes, and for
// all that the transaction has removed from guarded tables by then.
type Limits struct {
	Threshold int64 // rows
	Mode      Mode
}

func (l Limits) String() string { return fmt.Sprintf("%s over %d rows", l.Mode, l.Threshold) }

// stricter of two limits, for a table that follows several.
func (l Limits) stricter(o Limits) Limits {
	if o.Mode == Block {
		l.Mode = Block
	}
	l.Threshold = min(l.Threshold, o.Threshold)
	return l
}

// Drops says whether DROP is watched.
type Drops string

const (
	DropsAuto Drops = ""    // where the role may create an event trigger
	DropsOn   Drops = "on"  // or it is an error
	DropsOff  Drops = "off" // no
)

// InstallOptions of Install.
type InstallOptions struct {
	// Tables, as people name them. None: all that are named already are brought
	// up to date, with the partitions and children that are new.
	Tables []string
	All    bool // every table of the database instead
	// Alone leaves out the tables that a DELETE cascades to.
	Alone bool
	// Threshold (0) and Mode ("") unset leave a guarded table its limits; one
	// that is new gets Defaults.
	Threshold int64
	Mode      Mode
	Defaults  Limits
	Drops     Drops
	// Proxy is the role of the proxy's control connection: it is let read the
	// secret, and read and mark the evidence. "": nobody.
	Proxy string
	// ProxyIfThere: where there is no such role, nobody is let.
	ProxyIfThere bool
	// NewSecret makes the tickets of the old one worthless, as after a dump of the
	// database, which holds it, has got about. Proxies read the new one by
	// themselves; until then the triggers count beside them.
	NewSecret   bool
	LockTimeout time.Duration // longest wait for a table's lock; 0: the session's
	DryRun      bool          // plan only
}

// RemoveOptions of Remove.
type RemoveOptions struct {
	Tables      []string // as people name them
	All         bool     // all that are guarded instead
	Purge       bool     // the evidence too; only when no table stays guarded
	LockTimeout time.Duration
	DryRun      bool
}
