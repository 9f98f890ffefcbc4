package main

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

func (s *settings) validate() error {
	if s.Admin == "off" {
		s.Admin = ""
	}
	checks := []struct {
		name string
		err  error
	}{
		{"listen", checkListen(s.Listen)},
		{"upstream", checkUpstream(s.Upstream)},
		{"journal", checkJournal(s.Journal)},
		{"journal-keep", checkKeep(s.JournalKeep)},
		{"journal-max-size", checkSize(s.JournalMaxSize)},
		{"mode", checkOneOf(s.Mode, "block", "hold", "alert", "off")},
		{"threshold", checkThreshold(s.Threshold)},
		{"max-sessions", checkMany(s.MaxSessions)},
		{"max-sessions-per-user", checkMany(s.MaxPerUser)},
		{"max-sessions-per-address", checkMany(s.MaxPerAddress)},
		{"max-sessions-per-network", checkPerNetwork(s.MaxPerNetwork)},
		{"max-message", checkMessage(s.MaxMessage)},
		{"max-memory", checkMemory(s.MaxMemory)},
		{"handover-limit", checkDuration(s.HandoverLimit)},
		{"admin", checkAdmin(s.Admin)},
		{"admin", s.checkAdminAccess(s.Admin)},
		{"production", checkServer(s.Production)},
		{"recovery", checkRecovery(s.Recovery)},
		{"output", checkOneOf(s.Output, "text", "json")},
		{"webhook", checkWebhook(s.Webhook)},
		{"tls-cert", s.checkTLS()},
		{"tls-required", checkOneOf(cmp.Or(s.TLSRequired, "off"), "on", "off")},
		{"tls-required", s.checkTLSRequired()},
		{"uncaptured", checkOneOf(s.Uncaptured, "allow", "block")},
		{"uncountable", checkOneOf(s.Uncountable, "allow", "block")},
	}
	for _, c := range checks {
		if c.err != nil {
			return fmt.Errorf("%s: %w", cmp.Or(s.origin[c.name], c.name), c.err)
		}
	}
	return nil
}

func checkOneOf(value string, allowed ...string) error {
	if slices.Contains(allowed, value) {
		return nil
	}
	return fmt.Errorf("%q is none of %s", value, strings.Join(allowed, ", "))
}

func checkMany(n int64) error {
	if n < 0 {
		return fmt.Errorf("%d is below zero (0 means any number)", n)
	}
	return nil
}

func checkDuration(text string) error {
	if _, err := parseAgo(text); err != nil {
		return fmt.Errorf("%q is no time such as 24h or 7d", text)
	}
	return nil
}

func checkThreshold(n int64) error {
	if n < 0 {
		return fmt.Errorf("%d is below zero (0 means that no row may be removed)", n)
	}
	return nil
}

// checkHostPort accepts host:port; needHost: an empty host (all addresses) is refused.
func checkHostPort(value string, needHost bool) error {
	host, port, err := net.SplitHostPort(value)
	if err != nil || (needHost && host == "") {
		return fmt.Errorf("%q is not host:port", value)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || (needHost && n == 0) {
		return fmt.Errorf("%q is not a port number", port)
	}
	return nil
}

func checkListen(value string) error {
	if strings.HasPrefix(value, "/") {
		return nil
	}
	if err := checkHostPort(value, false); err != nil {
		return fmt.Errorf("%w; give host:port, or an absolute directory for a unix socket", err)
	}
	return nil
}

func checkAdmin(value string) error {
	if value == "" {
		return nil
	}
	if err := checkHostPort(value, false); err != nil {
		return fmt.Errorf("%w; give host:port, or off", err)
	}
	return nil
}

func checkRecovery(value string) error {
	if value == "" {
		return nil
	}
	return checkServer(value)
}

// checkServer accepts host:port[,host:port…], a socket directory, a postgres
// URL and libpq's keyword=value form.
func checkServer(value string) error {
	switch {
	case value == "":
		return errors.New("is empty; give host:port or a postgres URL")
	case strings.HasPrefix(value, "/"):
		return nil
	case strings.Contains(value, "://") && !isPostgresURL(value):
		scheme, _, _ := strings.Cut(value, "://")
		return fmt.Errorf("%s:// is not a postgres URL (postgres://user@host:port/database)", scheme)
	case isPostgresURL(value), strings.Contains(value, "="):
		config, err := pgconn.ParseConfig(value)
		if err != nil {
			return fmt.Errorf("%s cannot be used: %s", redact(value), parseReason(err))
		}
		if err := errors.Join(checkHosts(config), checkParameters(config)); err != nil {
			return fmt.Errorf("%s cannot be used: %w", redact(value), err)
		}
		return nil
	case strings.Contains(value, "@"): // not shown: there may be a password in it
		return errors.New("names a user, but is no postgres URL (postgres://user@host:port/database)")
	}
	for one := range strings.SplitSeq(value, ",") {
		if err := checkHostPort(one, true); err != nil {
			return fmt.Errorf("%w; give host:port or a postgres URL", err)
		}
	}
	return nil
}

// checkUpstream is checkServer; and where roles of servers are asked for there is a
// user to find them out.
func checkUpstream(value string) error {
	if err := checkServer(value); err != nil {
		return err
	}
	config, err := pgconn.ParseConfig(connString(value))
	if err == nil && config.ValidateConnect != nil && !namesUser(value) {
		return errors.New("target_session_attrs needs a user, by which the proxy asks each server for its role; give postgres://USER@…, with the password in ~/.pgpass")
	}
	return nil
}

// parseReason drops from pgconn's error the connection string, which redact
// has shown already.
func parseReason(err error) string {
	text := err.Error()
	if i := strings.Index(text, "`: "); i >= 0 {
		return text[i+len("`: "):]
	}
	return text
}

func isPostgresURL(value string) bool {
	return strings.HasPrefix(value, "postgres://") || strings.HasPrefix(value, "postgresql://")
}

// userAndPassword begins an address whose postgres:// is missing or misspelt.
var userAndPassword = regexp.MustCompile(`^[^./@][^@]*:[^@]*@`)

func checkJournal(value string) error {
	switch {
	case value == "":
		return errors.New("is empty; give a directory or a postgres URL")
	case isPostgresURL(value):
		return checkServer(value)
	case strings.Contains(value, "://"),
		!filepath.IsAbs(value) && (strings.Contains(value, "host=") || strings.Contains(value, "dbname=") || userAndPassword.MatchString(value)): // each proxy would make a directory
		return errors.New("is neither a directory nor a postgres URL, such as postgres://user@host/database")
	}
	return nil
}

func checkWebhook(value string) error {
	if value == "" {
		return nil
	}
	u, err := url.Parse(value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("is not an http or https URL")
	}
	return nil
}

func (s *settings) checkTLS() error {
	switch {
	case s.TLSCert != "" && s.TLSKey == "":
		return errors.New("needs tls-key with it")
	case s.TLSCert == "" && s.TLSKey != "":
		return errors.New("is missing, and tls-key is given")
	case s.TLSCert == "" && s.TLSClientCA != "":
		return errors.New("is missing, and tls-client-ca is given")
	}
	return nil
}

func (s *settings) checkTLSRequired() error {
	switch {
	case s.TLSRequired == "on" && s.TLSCert == "":
		return errors.New("on needs tls-cert and tls-key")
	case s.TLSRequired == "off" && s.TLSClientCA != "":
		return errors.New("off makes tls-client-ca useless: clients without TLS show no certificate")
	}
	return nil
}
