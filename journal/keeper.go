package journal

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"
)

// ErrInDoubt: an entry whose transaction's outcome is not known is not removed.
var ErrInDoubt = errors.New("journal entry is in doubt")

// Keeper is the part of a Journal for looking after what is stored: see package
// upkeep. Both kinds of journal have it.
type Keeper interface {
	// Selected is how many entries a filter selects.
	Selected(ctx context.Context, f Filter) (int64, error)
	// Stored yields what is said of every entry in short, oldest first. Bytes are
	// of its body, keys and images, as stored.
	Stored(ctx context.Context) iter.Seq2[Stored, error]
	// Contents returns, of the entries with these whole IDs, those that are there, with few
	// queries for all of them. Of damage it need not say whose it is.
	Contents(ctx context.Context, ids []string) (map[string]Contents, error)
	// Remove removes the entries with these whole IDs, all or none, durably.
	// ErrInDoubt. What is not there is no error.
	Remove(ctx context.Context, ids []string) error
	// RemoveApprovals removes the allowances that ended, and the holds that were
	// decided or expired, before a time, and returns how many. Live ones stay.
	RemoveApprovals(ctx context.Context, before time.Time) (int64, error)
	// StoredImages returns an entry's images as they are stored, encrypted or not:
	// nil if it has none.
	StoredImages(ctx context.Context, id string) (*ImageSet, iter.Seq2[[]byte, error], error)
	// Check is the store's own opinion of its consistency; ErrDamaged.
	Check(ctx context.Context) error
	// Shrink gives room that removing has left back to the disk. It may take long,
	// and make writers wait.
	Shrink(ctx context.Context) error
}

// Stored is an entry in short.
type Stored struct {
	ID      string
	Time    time.Time
	Outcome Outcome
	Bytes   int64
}

// AddStored takes over images as Keeper.StoredImages gave them, into keys that
// have none: they go to the entry of the same ID, still encrypted as they are.
func (k *Keys) AddStored(set *ImageSet, blocks iter.Seq2[[]byte, error]) error {
	if k.images.count > 0 {
		return errors.New("journal: there are images already")
	}
	n := int64(0)
	for data, err := range blocks {
		if err != nil {
			return err
		}
		offset, err := k.images.store.append(data)
		if err != nil {
			return err
		}
		k.images.blocks = append(k.images.blocks, extent{offset, len(data), 0})
		n++
	}
	if n != set.Blocks {
		return fmt.Errorf("%w: %d blocks of images, %d are said to be", ErrDamaged, n, set.Blocks)
	}
	k.images.count, k.stored = set.Rows, set
	return nil
}
