package main

import (
	"slices"
	"testing"
)

func TestEnvironment(t *testing.T) {
	t.Setenv("BENCH_CLIENTS", "1, 32")
	t.Setenv("BENCH_BIG", "5000")
	t.Setenv("BENCH_BULK", "20,10")
	t.Setenv("BENCH_ROUNDS", "")
	var o options
	if err := o.environment(); err != nil || !slices.Equal(o.clients, []int{1, 32}) || o.big != 5000 || !slices.Equal(o.bulks, []int{10, 20}) || o.rounds != 3 {
		t.Errorf("%+v, %v", o, err)
	}
	for name, value := range map[string]string{"BENCH_CLIENTS": "1,", "BENCH_SECONDS": "0", "BENCH_COPY_MIB": "1.5", "BENCH_BULK": "0"} {
		t.Run(name, func(t *testing.T) {
			t.Setenv(name, value)
			if err := (&options{}).environment(); err == nil {
				t.Errorf("%s=%s was taken", name, value)
			}
		})
	}
}
