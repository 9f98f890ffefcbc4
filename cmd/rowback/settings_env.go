package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/internal/handover"
	"github.com/rowback/rowback/internal/yamlstrict"
)

// environment is the process's environment, or a test's own.
type environment map[string]string

// newEnvironment reads the lines of os.Environ.
func newEnvironment(lines []string) environment {
	e := environment{}
	for _, line := range lines {
		// What a process inherits is no setting.
		if name, value, ok := strings.Cut(line, "="); ok && name != handover.Variable {
			e[name] = value
		}
	}
	return e
}

const envPrefix = "ROWBACK_"

// envName is the environment variable of a setting.
func envName(name string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// serviceLink matches what Kubernetes and Docker set for a service that is
// called rowback, or rowback-something; they are not ours to refuse.
var serviceLink = regexp.MustCompile(`^ROWBACK(_.+)?_(SERVICE_HOST|SERVICE_PORT(_.+)?|PORT(_[0-9]+_[A-Z]+(_PROTO|_PORT|_ADDR)?)?)$`)

// knownEnv refuses a ROWBACK_ variable that is no setting: one misspelt would
// leave the default in force, unseen. An alert's command, which may call rowback,
// finds variables that are none.
func (s *settings) knownEnv() error {
	names := []string{envPrefix + "CONFIG"}
	for _, v := range s.all() {
		names = append(names, envName(v.name))
	}
	var unknown []string
	for name := range s.env {
		if strings.HasPrefix(name, envPrefix) && !strings.HasPrefix(name, alert.EnvPrefix) && !slices.Contains(names, name) && !serviceLink.MatchString(name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	name := slices.Min(unknown)
	var bare []string // what all begin with brings none nearer
	for _, n := range names {
		bare = append(bare, strings.TrimPrefix(n, envPrefix))
	}
	if best := yamlstrict.Nearest(strings.TrimPrefix(name, envPrefix), bare); best != "" {
		return fmt.Errorf("unknown environment variable %s, did you mean %s%s?", name, envPrefix, best)
	}
	return fmt.Errorf("unknown environment variable %s; there are: %s", name, strings.Join(names, ", "))
}
