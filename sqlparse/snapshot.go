package sqlparse

import (
	"bytes"
	"regexp"
)

// Snapshotless reports whether a text is surely one statement that the server
// runs without a snapshot, and that removes nothing whatever the database holds:
// SET (but SET CONSTRAINTS), SHOW, LOCK, SAVEPOINT or RELEASE. It goes by the
// words, and says no where it would have to look closer.
func Snapshotless(text []byte) bool {
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	at := start(text)
	text = text[at:]
	if bytes.IndexByte(text, ';') >= 0 && bytes.IndexByte(text, ';') < len(bytes.TrimRight(text, " \t\n\v\f\r;")) {
		return false
	}
	var buf [12]byte
	switch string(firstWord(text, &buf)) {
	case "show", "lock", "savepoint", "release":
		return true
	case "set":
		second := text[len("set"):]
		return string(firstWord(second[start(second):], &buf)) != "constraints"
	}
	return false
}

// Inert reports whether a text is surely one statement that evaluates nothing that a
// database may define: what Snapshotless says, and DISCARD, LISTEN, UNLISTEN, NOTIFY,
// DEALLOCATE and CHECKPOINT. It goes by the words, as that does.
func Inert(text []byte) bool {
	if Snapshotless(text) {
		return true
	}
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	text = text[start(text):]
	if bytes.IndexByte(bytes.TrimRight(text, " \t\n\v\f\r;"), ';') >= 0 {
		return false
	}
	var buf [12]byte
	switch string(firstWord(text, &buf)) {
	case "discard", "listen", "unlisten", "notify", "deallocate", "checkpoint":
		return true
	}
	return false
}

// Lonely reports whether a text begins as one of the statements that PostgreSQL runs in a
// transaction of their own only: VACUUM, CREATE INDEX CONCURRENTLY, CREATE DATABASE and the like.
func Lonely(text []byte) bool {
	text = text[start(text):]
	var buf [12]byte
	switch string(firstWord(text, &buf)) {
	case "vacuum", "reindex", "cluster", "create", "drop", "alter":
		return lonely.Match(text)
	}
	return false
}

// Blockish reports whether a text begins as one of the statements that are refused, or
// of no use and warned of, outside of a transaction block: LOCK, DECLARE, SET CONSTRAINTS,
// SET LOCAL and SET TRANSACTION.
func Blockish(text []byte) bool {
	text = text[start(text):]
	var buf [12]byte
	switch word := string(firstWord(text, &buf)); word {
	case "lock", "declare":
		return true
	case "set":
		second := text[len(word):]
		switch string(firstWord(second[start(second):], &buf)) {
		case "constraints", "local", "transaction":
			return true
		}
	}
	return false
}

// Alone reports whether a text is one of those, or DISCARD ALL, that surely ends all portals
// which were bound before it: VACUUM, DISCARD ALL, and what is done CONCURRENTLY to indexes.
func Alone(text []byte) bool {
	if end := bytes.IndexByte(text, 0); end >= 0 {
		text = text[:end]
	}
	text = text[start(text):]
	var buf [12]byte
	switch string(firstWord(text, &buf)) {
	case "vacuum", "discard", "reindex", "create", "drop":
		return alone.Match(text)
	}
	return false
}

var alone = regexp.MustCompile(`(?i)^(vacuum\b|discard\s+all\b|(reindex\s+(index|table|schema|database)|create\s+(unique\s+)?index|drop\s+index)\s+concurrently\b)[^;]*;?\s*$`)

var lonely = regexp.MustCompile(`(?i)^(?:(vacuum|reindex|cluster|(create\s+(unique\s+)?|drop\s+)index\s+concurrently|create\s+(database|tablespace|subscription)|alter\s+(system|database|tablespace|subscription))\b` +
	`|alter\s+table\s+(if\s+exists\s+)?(only\s+)?\S+\s+detach\s+partition\s+\S+\s+concurrently\s*;?\s*$)`)
