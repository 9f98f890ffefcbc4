package main

import "regexp"

var (
	// From the first colon to the last @: a password with an @ or / that should
	// have been percent-encoded goes too.
	urlPassword = regexp.MustCompile(`^([a-z]+://[^:/@]*):.*@`)
	// password=…, sslpassword=… in a URL's query or in the keyword form, quoted or not.
	wordPassword = regexp.MustCompile(`(?i)(password\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s&]*)`)
)

// redact returns a server's address fit for people's eyes and for logs: a
// postgres URL, keyword=value string or host:port without its passwords.
func redact(location string) string {
	out := wordPassword.ReplaceAllString(location, "${1}xxxxx")
	return urlPassword.ReplaceAllString(out, "${1}:xxxxx@")
}
