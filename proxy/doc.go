// Package proxy relays PostgreSQL sessions: it accepts clients over TCP, unix
// sockets and TLS, connects each to a server, lets the two authenticate each
// other end to end, and forwards every message.
//
// It knows the wire and nothing about deletions. Whoever judges statements
// implements Judge and Session; a Session sees every client message that could
// matter and may take the connection over for an exchange of its own (Wire).
//
// Promises: what no Session touches is forwarded byte for byte and in order;
// memory per session is bounded (a slow reader stops the sender); a cancel
// request reaches the server process that the client was connected to; no
// message from a client is trusted for its length before the limit is checked.
package proxy
