package main

import (
	"errors"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// A flag of a command that selects something does so with each value given: of
// two the first would be dropped unseen, and an empty one, as an unset variable
// of a script makes it, would select everything.
var (
	errTwice = errors.New("is given twice; it takes one value")
	errEmpty = errors.New("is empty; give a value, or leave it out")
)

// once takes one value, and not the empty one.
type once struct {
	pflag.Value
	given bool
}

func (o *once) Set(text string) error {
	switch {
	case o.given:
		return errTwice
	case text == "":
		return errEmpty
	}
	o.given = true
	return o.Value.Set(text)
}

// many refuses the empty value.
type many struct{ pflag.Value }

func (m many) Set(text string) error {
	if text == "" {
		return errEmpty
	}
	return m.Value.Set(text)
}

// strict makes a command's own text flags so. Not those of settings: there a
// later one wins, and an empty one takes back what the file says; nor what is
// only kept for people to read.
func (s *settings) strict(cmd *cobra.Command) {
	loose := map[string]bool{"config": true, "reason": true, "by": true}
	for _, v := range s.all() {
		loose[v.name] = true
	}
	cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
		switch kind := f.Value.Type(); {
		case loose[f.Name]:
		case kind == "string":
			f.Value = &once{Value: f.Value}
		case kind == "stringArray":
			f.Value = many{f.Value}
		}
	})
	for _, c := range cmd.Commands() {
		s.strict(c)
	}
}
