package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/rowback/rowback/internal/yamlstrict"
)

// libpqNames are the parameters of a connection that libpq has and pgconn does not take
// out itself, and those of pgx.
var libpqNames = []string{
	"application_name", "fallback_application_name", "client_encoding", "options", "replication", "hostaddr",
	"load_balance_hosts", "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout",
	"gssencmode", "gsslib", "gssdelegation", "requirepeer", "requiressl", "scram_client_key", "scram_server_key",
	"sslcompression", "sslcrl", "sslcrldir", "ssl_min_protocol_version", "ssl_max_protocol_version", "sslkeylogfile",
	"oauth_issuer", "oauth_client_id", "oauth_client_secret", "oauth_scope",
	"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity",
}

// takenNames are those that pgconn takes out, as far as somebody may misspell them.
var takenNames = []string{
	"host", "port", "dbname", "user", "password", "passfile", "connect_timeout", "service", "servicefile", "target_session_attrs",
	"sslmode", "sslkey", "sslcert", "sslcertmode", "sslrootcert", "sslnegotiation", "sslpassword", "sslsni",
	"krbspn", "krbsrvname", "min_protocol_version", "max_protocol_version", "channel_binding", "require_auth",
}

// checkParameters refuses a name that libpq would refuse. pgconn takes one for a setting
// of the server: a misspelt sslmode would mean no TLS, and nobody would say so.
func checkParameters(config *pgconn.Config) error {
	for _, name := range slices.Sorted(maps.Keys(config.RuntimeParams)) {
		if slices.Contains(libpqNames, name) {
			continue
		}
		if best := yamlstrict.Nearest(name, slices.Concat(takenNames, libpqNames)); best != "" {
			return fmt.Errorf("unknown parameter %q, did you mean %q?", name, best)
		}
		return fmt.Errorf("unknown parameter %q; a setting of the server is given by options=-c%%20%s%%3D…", name, name)
	}
	return nil
}

// checkHosts refuses a host with an @: it begins with the rest of a password, which
// errors and logs would show.
func checkHosts(config *pgconn.Config) error {
	for _, host := range append([]*pgconn.FallbackConfig{{Host: config.Host}}, config.Fallbacks...) {
		if strings.Contains(host.Host, "@") {
			return errors.New("an @ in user or password is written %40")
		}
	}
	return nil
}
