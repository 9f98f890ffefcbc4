package main

import (
	"cmp"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/recovery"
)

// hinting has the errors of every command that could not connect name what the
// address came from: the flag, variable or line of the file that was given.
func (s *settings) hinting(cmd *cobra.Command) {
	if run := cmd.RunE; run != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			err := run(cmd, args)
			for name, from := range map[string]string{
				"production": cmp.Or(s.origin["production"], s.origin["upstream"]), "recovery": s.origin["recovery"], given: "its URL",
			} {
				err = recovery.CheckInstead(err, name, from)
			}
			return err
		}
	}
	for _, c := range cmd.Commands() {
		s.hinting(c)
	}
}
