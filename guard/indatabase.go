package guard

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/rowback/rowback/catalog"
	"github.com/rowback/rowback/guard/protect"
	"github.com/rowback/rowback/proxy"
)

// secret is what tickets for the triggers in a database are made of; see
// package protect. It is read over a control connection, once for a view.
type secret struct {
	installed bool // the triggers' schema is in the catalog
	fires     bool // and some table has triggers of it: those taken off leave the schema

	// mu guards the rest.
	mu   sync.Mutex
	text string
	read chan struct{} // closed when who reads it has done so; nil: nobody does
	next time.Time     // when it is tried again
}

// collectEvery is how often what the triggers recorded is brought into the journal.
const collectEvery = 30 * time.Second

// readFor is how long a client's statement waits for that.
const readFor = 2 * time.Second

// readAgain is the shortest time between two tries of reading a secret; after one that took long it is longer.
const readAgain = 3 * time.Second

func isInstalled(snap *catalog.Snapshot) bool {
	for _, t := range snap.Tables {
		if t.Schema == "rowback" && t.Name == "secret" {
			return true
		}
	}
	return false
}

// isOnTables reports whether any table has the triggers.
func isOnTables(snap *catalog.Snapshot) bool {
	for _, t := range snap.Tables {
		if t.Schema != "rowback" && slices.ContainsFunc(t.Triggers, func(x catalog.Trigger) bool { return strings.HasPrefix(x.Function, "rowback.guard_") }) {
			return true
		}
	}
	return false
}

// secretOf is the secret of the triggers in the session's database, "" if there
// are none or it cannot be read: then they count beside the proxy. One session reads
// it, the others wait for that.
func (j *Judge) secretOf(ctx context.Context, db *database, v *view) string {
	x := &v.secret
	if !x.installed || !x.fires || j.o.Control == nil {
		return ""
	}
	x.mu.Lock()
	read := x.read
	switch {
	case x.text != "" || read == nil && j.o.Now().Before(x.next):
		defer x.mu.Unlock()
		return x.text
	case read != nil:
		x.mu.Unlock()
		<-read
		x.mu.Lock()
		defer x.mu.Unlock()
		return x.text
	}
	read = make(chan struct{})
	x.read = read
	x.mu.Unlock()

	began, text := j.o.Now(), ""
	defer func() {
		x.mu.Lock()
		defer x.mu.Unlock()
		now := j.o.Now()
		x.text, x.read, x.next = text, nil, now.Add(max(readAgain, 10*now.Sub(began)))
		close(read)
	}()
	text, err := j.readSecret(ctx, db)
	if err != nil && db.explain("secret", err.Error()) {
		j.o.Logger.Warn("the triggers in the database count beside the proxy: their secret cannot be read", "database", db.name, "error", err,
			"mend", "rowback protect install --proxy-role ROLE, with the role of upstream's credentials")
	}
	return text
}

// readSecret is bounded: a client's statement waits for it.
func (j *Judge) readSecret(ctx context.Context, db *database) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, readFor)
	defer cancel()
	q, closeConn, err := j.o.Control(ctx, db.name)
	if err != nil {
		return "", err
	}
	defer closeConn()
	text, _, err := protect.Secret(ctx, q)
	return text, err
}

// ticket is an expression that lets the triggers leave a statement to the proxy, "" if
// there is none. Only after Quiesce.
func (s *session) ticket(ctx context.Context, w proxy.Wire) (string, error) {
	secret := s.j.secretOf(ctx, s.db, s.view)
	if secret == "" {
		return "", nil
	}
	if s.process == "" {
		var err error
		if s.process, err = one(ctx, lookup{w: w}, "SELECT "+protect.SessionSQL); err != nil {
			return "", err
		}
	}
	t := protect.Ticket(secret, s.process)
	if t == "" {
		return "", nil
	}
	return protect.SetTicket(t), nil
}

// collect brings what the triggers in a database have recorded into the journal.
func (j *Judge) collect(ctx context.Context, db *database) {
	v := db.view.Load()
	if v == nil || !v.secret.installed || j.o.Control == nil || j.o.Now().Sub(db.collected) < collectEvery {
		return
	}
	name := j.o.Proxy
	if j.o.JournalName != nil {
		name = j.o.JournalName()
	}
	if name == "" {
		return
	}
	db.collected = j.o.Now()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	q, closeConn, err := j.o.Control(ctx, db.name)
	if err == nil {
		defer closeConn()
		var got protect.Collected
		got, err = protect.Collect(ctx, q, j.o.Journal, protect.CollectOptions{Journal: name, Spill: j.o.Spill})
		if text, ok, serr := protect.Secret(ctx, q); serr == nil && ok { // it may have been renewed
			v.secret.mu.Lock()
			v.secret.text = text
			v.secret.mu.Unlock()
		}
		if got.Entries > 0 {
			j.o.Logger.Warn("rows were removed past the proxy", "database", db.name, "entries", got.Entries, "rows", got.Rows)
		}
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, protect.ErrUnmarked) && db.explain("collect", err.Error()) {
		j.o.Logger.Warn("what the triggers in the database recorded cannot be collected", "database", db.name, "error", err)
	}
}
