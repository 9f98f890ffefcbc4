package main

import (
	"errors"

	"github.com/rowback/rowback/guard/alert"
	"github.com/rowback/rowback/internal/yamlstrict"
)

// alerts is where alerts go: the file's alerts, and the webhook. It is read only
// where it is needed: secrets in the proxy's environment need not be in that of
// somebody who looks into the journal. Its errors are usage errors.
func (s *settings) alerts() (alert.Config, error) {
	var c alert.Config
	if s.alertsNode != nil {
		var err error
		c, err = alert.Parse(s.alertsNode, func(name string) (string, bool) {
			value, ok := s.env[name]
			return value, ok
		})
		if err != nil {
			return alert.Config{}, usageError(errors.New(yamlstrict.In(s.ConfigFile, err)))
		}
	}
	if s.Webhook != "" {
		c.Sinks = append(c.Sinks, alert.WebhookAt(s.Webhook).Sinks...)
	}
	return c, nil
}
