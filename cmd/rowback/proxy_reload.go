package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rowback/rowback/guard/policy"
)

// reload reads the settings again. Bad ones are refused and the old ones stay. Of what is
// in force s has the file's keys and the rules; the rest is as at the start. The proxy's
// end does not wait for it.
func (v *serving) reload(cmd *cobra.Command, s *settings) {
	fresh := *s
	if err := fresh.load(cmd.Flags()); err != nil {
		v.logger.Error("configuration not reloaded; the old one stays", "error", err)
		return
	}
	if len(s.keys) > 0 && len(fresh.keys) == 0 {
		v.logger.Error("configuration not reloaded; the old one stays", "error", fresh.ConfigFile+" is empty, as a file is that is just being written")
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
	changeDoor, err := v.changeDoor(s, &fresh)
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
	changeDoor()
	v.limit, _ = parseAgo(fresh.HandoverLimit)
	if names := s.needRestart(&fresh); len(names) > 0 {
		v.logger.Warn("some settings that changed need a restart; the old ones stay", "settings", strings.Join(names, ", "))
	}
	if gone := s.goneFrom(&fresh); len(gone) > 0 {
		v.logger.Warn("the configuration file does not say any more what it said", "gone", strings.Join(gone, ", "))
	}
	s.keys, s.rules = fresh.keys, fresh.rules
	v.logger.Info("configuration reloaded", "mode", fresh.Mode, "threshold", fresh.Threshold, "uncaptured", fresh.Uncaptured, "uncountable", fresh.Uncountable)
	v.announceRules(&fresh)
}

// changeDoor reads what lets people in to the admin endpoint again; apply has that in force.
func (v *serving) changeDoor(s, fresh *settings) (apply func(), err error) {
	if v.admin == nil || fresh.Admin != s.Admin { // it takes a restart
		return func() {}, nil
	}
	d, err := fresh.door()
	if err != nil {
		return nil, err
	}
	if at := v.admin.listener.Addr(); at.Network() == "tcp" {
		if err := fresh.checkAdminAccess(at.String()); err != nil {
			return nil, err
		}
	}
	return func() { v.admin.reload(d) }, nil
}

// goneFrom names what stood in the file, and does not in that of fresh: a file may be
// read while it is half written.
func (s *settings) goneFrom(fresh *settings) (gone []string) {
	for _, key := range s.keys {
		if !slices.Contains(fresh.keys, key) {
			gone = append(gone, key)
		}
	}
	for _, r := range s.rules.Rules {
		if !slices.ContainsFunc(fresh.rules.Rules, func(f policy.Rule) bool { return f.Name == r.Name }) {
			gone = append(gone, "rule "+r.Name)
		}
	}
	return gone
}

// needRestart names the settings that a running proxy cannot take over from fresh.
func (s *settings) needRestart(fresh *settings) (names []string) {
	old := s.all()
	for i, v := range fresh.all() {
		switch v.name {
		case "mode", "threshold", "uncaptured", "uncountable", "webhook", "handover-limit", "tls-cert", "tls-key", "tls-client-ca", "tls-required": // taken over
		case "admin-token", "admin-act-token": // likewise
		case "admin-client-ca":
			if (v.value() == "") != (old[i].value() == "") { // from TLS, or to it
				names = append(names, v.name)
			}
		case "production", "recovery", "output": // not the proxy's
		default:
			if v.value() != old[i].value() {
				names = append(names, v.name)
			}
		}
	}
	return names
}
