package budget

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(100)
		patience := Patience
		if err := b.Take(101, 0, &patience); !errors.Is(err, ErrFull) || patience != Patience {
			t.Errorf("more than there is: %v, with %v left", err, patience)
		}
		if err := b.Take(60, 0, &patience); err != nil || !b.Try(40) || b.Try(1) {
			t.Fatal("what there is is not given", err)
		}
		time.AfterFunc(time.Second, func() { b.Give(40) })
		if err := b.Take(30, 60, &patience); err != nil || patience != Patience-time.Second {
			t.Errorf("what came free: %v, with %v left", err, patience)
		}
		// Two that hold something wait for each other: not for ever, and not anew each time.
		if err := b.Take(50, 10, &patience); !errors.Is(err, ErrFull) || patience > 0 {
			t.Errorf("%v, with %v left", err, patience)
		}
		began := time.Now()
		if err := b.Take(50, 10, &patience); !errors.Is(err, ErrFull) || time.Since(began) > 0 {
			t.Errorf("%v after %v", err, time.Since(began))
		}
		patience = Patience
		if err := b.Take(50, 60, &patience); !errors.Is(err, ErrFull) || patience != Patience {
			t.Errorf("one that waits for itself: %v, with %v left", err, patience)
		}
		b.Give(90)
		if b.Used() != 0 || b.Failed() != 4 || !b.Try(100) {
			t.Errorf("%d used, %d failed", b.Used(), b.Failed())
		}
	})
}

func TestBudget_None(t *testing.T) {
	var b *Budget
	if patience := Patience; b.Take(1<<50, 0, &patience) != nil || !b.Try(1<<50) {
		t.Error("there is an end")
	}
	b.Give(1 << 50)
}
