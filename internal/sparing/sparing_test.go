package sparing

import (
	"testing"
	"time"
)

func TestLines_CountsWhatItLeavesOut(t *testing.T) {
	var s Lines
	now := time.Now()
	for range aSecond {
		if leftOut, ok := s.may(now); !ok || leftOut != 0 {
			t.Fatal(leftOut, ok)
		}
	}
	for range 7 {
		if _, ok := s.may(now.Add(time.Second - 1)); ok {
			t.Fatal("more lines than that in a second")
		}
	}
	if leftOut, ok := s.may(now.Add(time.Second)); !ok || leftOut != 7 {
		t.Error(leftOut, ok)
	}
	if leftOut, ok := s.may(now.Add(time.Second)); !ok || leftOut != 0 {
		t.Error(leftOut, ok)
	}
}
