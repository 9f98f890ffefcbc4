package guard

import (
	"context"
	"errors"
	"maps"
	"time"

	"github.com/rowback/rowback/journal"
)

// Abandoned ends the holds of proxies that have ended without a word: whoever says yes
// to one is to hear that nobody waits for it. It is for a journal that is this proxy's alone, once
// no process before or after this one writes it; in a shared one Run looks for them.
func (j *Judge) Abandoned(ctx context.Context) error {
	if j.fleet != nil {
		return nil
	}
	return j.endHolds(ctx, func(proxy string) bool { return proxy != j.o.Proxy })
}

// endHolds ends the holds that wait in proxies that are gone.
func (j *Judge) endHolds(ctx context.Context, gone func(proxy string) bool) error {
	waiting, err := j.o.Journal.Holds(ctx, journal.Waiting)
	for _, h := range waiting {
		if err != nil {
			break
		}
		if !gone(h.Proxy) {
			continue
		}
		if _, err = j.o.Journal.Decide(ctx, h.ID, journal.Left, "", "its proxy has ended", j.o.Now()); errors.Is(err, journal.ErrDecided) {
			err = nil
		}
	}
	return err
}

// dead is how long a proxy has been missing among those alive when its holds are ended:
// it may have lost its connection to the journal, and nothing else.
const dead = time.Minute

// keepHolds ends what waits in proxies of the fleet that are dead.
func (j *Judge) keepHolds(ctx context.Context) error {
	alive, err := j.fleet.Alive(ctx)
	if err != nil || !alive[j.o.Proxy] { // then the others, too, may have lost their connection just now
		clear(j.missing)
		return err
	}
	maps.DeleteFunc(j.missing, func(proxy string, _ time.Time) bool { return alive[proxy] })
	now := j.o.Now()
	return j.endHolds(ctx, func(proxy string) bool {
		since, missed := j.missing[proxy]
		if !missed && !alive[proxy] {
			j.missing[proxy] = now
		}
		return missed && now.Sub(since) >= dead
	})
}
