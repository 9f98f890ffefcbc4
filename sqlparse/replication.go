package sqlparse

import (
	"bytes"
	"strings"
)

// Replication reports whether a text is a command of the replication protocol, which a
// walsender reads by a grammar of its own, and not as SQL: it goes by the first word,
// as the server does, which knows no comment before it. SHOW is left to SQL.
func Replication(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\n\r\f\v")
	end := 0
	for end < len(text) && isWord[text[end]] {
		end++
	}
	switch strings.ToLower(string(text[:end])) {
	case "identify_system", "start_replication", "create_replication_slot", "drop_replication_slot", "alter_replication_slot",
		"read_replication_slot", "timeline_history", "base_backup", "upload_manifest":
		return true
	}
	return false
}
