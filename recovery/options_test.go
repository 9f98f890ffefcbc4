package recovery

import (
	"testing"
	"time"
)

func TestOptions_LockTimeoutIsNeverNone(t *testing.T) {
	for d, want := range map[time.Duration]int64{time.Nanosecond: 1, 500 * time.Microsecond: 1, time.Millisecond: 1, 1500 * time.Microsecond: 2, 5 * time.Second: 5000} {
		if got := milliseconds(d); got != want {
			t.Errorf("%v: %d, want %d", d, got, want)
		}
	}
}
