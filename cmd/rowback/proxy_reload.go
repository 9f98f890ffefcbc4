package main

import (
	"strings"

	"github.com/spf13/cobra"
)

// reload reads the settings again. Bad ones are refused and the old ones stay. The
// proxy's end does not wait for it.
func (v *serving) reload(cmd *cobra.Command, s *settings) {
	fresh := *s
	if err := fresh.load(cmd.Flags()); err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	sinks, err := fresh.alerts()
	if err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	front, err := fresh.tls()
	if err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	apply, err := v.server.Reload(front, fresh.requireTLS())
	if err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	if fresh.guards() != (v.judge != nil) {
		v.logger.Error("configuration not reloaded: switching the guard on or off needs a restart")
		return
	}
	if v.judge != nil {
		if err := v.judge.SetPolicy(cmd.Context(), fresh.rules); err != nil {
			v.logger.Error("configuration not reloaded; the old one stays", "error", err)
			return
		}
		v.alerts.Reload(sinks)
	}
	apply()
	v.limit, _ = parseAgo(fresh.HandoverLimit)
	if names := s.needRestart(&fresh); len(names) > 0 {
		v.logger.Warn("some settings that changed need a restart; the old ones stay", "settings", strings.Join(names, ", "))
	}
	v.logger.Info("configuration reloaded", "mode", fresh.Mode, "threshold", fresh.Threshold, "uncaptured", fresh.Uncaptured, "uncountable", fresh.Uncountable)
	v.announceRules(&fresh)
}

// needRestart names the settings that a running proxy cannot take over from fresh.
func (s *settings) needRestart(fresh *settings) (names []string) {
	old := s.all()
	for i, v := range fresh.all() {
		switch v.name {
		case "mode", "threshold", "uncaptured", "uncountable", "webhook", "handover-limit", "tls-cert", "tls-key", "tls-client-ca", "tls-required": // taken over
		case "production", "recovery", "output": // not the proxy's
		default:
			if v.value() != old[i].value() {
				names = append(names, v.name)
			}
		}
	}
	return names
}
