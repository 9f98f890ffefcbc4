package main

import (
	"strings"
	"testing"
)

// What the proxy tells people through may hold secrets of its environment:
// commands that do not tell anybody work without them.
func TestSettings_Alerts(t *testing.T) {
	inDirectory(t)
	write(t, "rowback.yaml", "webhook: https://a.example/x\nalerts:\n  - {slack: \"${SLACK}\", name: ops}\n")
	s, _, err := loaded(t, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.alerts(); exitCode(err) != exitUsage || !strings.Contains(err.Error(), "rowback.yaml:3: ") || !strings.Contains(err.Error(), "SLACK") {
		t.Errorf("%v", err)
	}
	if s, _, err = loaded(t, map[string]string{"SLACK": "https://hooks.example/SECRET"}); err != nil {
		t.Fatal(err)
	}
	c, err := s.alerts()
	if err != nil || len(c.Sinks) != 2 || c.Sinks[0].Name != "ops" {
		t.Errorf("%+v, %v", c, err)
	}
}
