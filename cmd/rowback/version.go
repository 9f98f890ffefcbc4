package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker (-X main.version=…) in release builds.
var version = ""

// buildInfo is what `rowback version` prints.
type buildInfo struct {
	Version string `json:"version"`
	Commit  string `json:"commit,omitempty"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func thisBuild() buildInfo {
	b := buildInfo{Version: version, Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if ok {
		if b.Version == "" {
			b.Version = info.Main.Version
		}
		for _, kv := range info.Settings {
			if kv.Key == "vcs.revision" {
				b.Commit = kv.Value
			}
		}
	}
	if b.Version == "" {
		b.Version = "(devel)"
	}
	return b
}

func newVersionCommand(s *settings) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Prints the version",
		Args:    noArgs,
		Example: "  rowback version\n  rowback version --output json",
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := thisBuild()
			if s.Output == "json" {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(b)
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "rowback %s (%s, %s)\n", b.Version, b.Go, b.System)
			return err
		},
	}
}
