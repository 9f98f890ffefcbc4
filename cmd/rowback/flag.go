package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// flagError says in words what is wrong with a flag's value.
func flagError(cmd *cobra.Command, err error) error {
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := yamlstrict.Nearest(unknown.GetSpecifiedName(), names); near != "" {
			return fmt.Errorf("%w, did you mean --%s?", err, near)
		}
		return err
	}
	var invalid *pflag.InvalidValueError
	if !errors.As(err, &invalid) {
		return err
	}
	for _, said := range []error{errTwice, errEmpty} {
		if errors.Is(err, said) {
			return fmt.Errorf("--%s %w", invalid.GetFlag().Name, said)
		}
	}
	what := "cannot be used"
	switch invalid.GetFlag().Value.Type() {
	case "int", "int64":
		what = "is not a whole number"
	case "uint64":
		what = "is not a whole number, zero or more"
	case "duration":
		what = "is not a duration such as 500ms, 30s or 5m"
	case "bool":
		what = "is neither true nor false"
	}
	return fmt.Errorf("--%s: %q %s", invalid.GetFlag().Name, invalid.GetValue(), what)
}
