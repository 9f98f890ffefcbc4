// Package examples holds what users may copy: here it is for the program, which
// prints the configuration file. What each file is stands in README.md.
package examples

import _ "embed"

// Configuration is rowback.yaml: every key, explained, and usable as it stands.
//
//go:embed rowback.yaml
var Configuration string
