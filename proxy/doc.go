// Package proxy relays PostgreSQL sessions: it accepts clients over TCP, unix
// sockets and TLS, connects each to a server, lets the two authenticate each
// other end to end, and forwards every message.
//
// It knows the wire and nothing about deletions. Whoever judges statements
// implements Judge and Session; a Session sees every client message that could
// matter and may take the connection over for an exchange of its own (Wire).
//
// # Promises
//
// What no Session touches is forwarded byte for byte and in order. Memory per
// session is bounded: a read buffer each way while bytes are under way, and beyond that
// one message where a Session must see it whole, of all sessions together by Options.Memory;
// who does not read stops who writes. Memory follows what was sent, not the length that a header claims. A cancel request reaches
// the server process that the client was connected to. A malformed message ends
// its own session only. After Serve has returned no goroutine is left.
//
// # A session
//
// serveConn reads the first packets (startup.go), relay.open finds a server
// (open.go), relay.authenticate relays the exchange in lock-step (auth.go). From
// then on its two directions are relayed apart (relay_client.go, relay_server.go),
// around what the server still has to answer (pending.go).
//
// A session is put on a loop (onloop.go): one
// goroutine with an epoll descriptor of its own for many sessions (loop_linux.go),
// into whose buffer it reads and out of which it writes at once. It is told of
// edges, so no read finds nothing, and a message costs one read and one write; a
// quiet session has neither goroutine nor buffer. What has to wait (a Session's exchange,
// a peer that reads slowly) goes on in a goroutine of that direction until there is
// nothing to read. Under TLS crypto/tls reads and writes the loop's sockets by way of a
// carrier, which never waits. A session waiting for GSSAPI tokens has two goroutines for good.
//
// A Session runs in a goroutine that reads the client; Wants alone runs on the
// loop. While it takes the server's messages (wire.go), nobody else reads them, so
// that long results cost no switch of goroutines. COPY data from the client goes its way
// while another goroutine hears the server (wire_copy.go).
//
// Connections for physical replication are relayed without a Session.
//
// # Authentication and TLS
//
// The proxy holds no passwords. Trust, password, md5, SCRAM and further SASL
// mechanisms pass as they are; so do GSSAPI and SSPI tokens, but no Kerberos
// set-up is tested. What a server sees is the proxy's address, the proxy's unix user
// and the proxy's certificate (sslcert in the upstream setting): an HBA line that
// admits these without a password (trust, peer, cert) admits every client of the proxy.
//
// SCRAM channel binding (SCRAM-SHA-256-PLUS) ties the exchange to the TLS
// certificate of the server, and the proxy ends TLS. Clients and servers:
//
//	client's leg  upstream leg  channel binding          SCRAM
//	plain         plain, TLS    none; PLUS not offered   works
//	TLS           plain         none; no PLUS to offer   works
//	TLS           TLS           the proxy shows clients  works, with PLUS
//	                            the server's certificate
//	TLS           TLS           other certificate        works with channel_binding=disable
//	                                                     or where sslmode=prefer or allow
//	                                                     (it connects again in the clear)
//
// In the last case the client says that it could bind and was not offered to.
// A server that did offer it takes that for a downgrade attack; the client's
// proof covers its word, so the proxy cannot change it. With sslmode require,
// verify-ca or verify-full the client gets an error that names the three ways out;
// with Options.RequireTLS also where sslmode is prefer because nobody has set it,
// unless the server is on loopback. That sessions go on in the clear is logged, once.
//
// A client is judged by the certificates that were in force when it came, see Reload.
//
// # Several servers
//
// Hosts are tried in order, with load_balance_hosts=random in none, and so are the
// addresses behind a name. All are to be of one cluster, a primary and its standbys:
// for the judge a database's name is one database. With target_session_attrs new
// sessions go only to those that have the role (roles.go), and wait for one as long as
// connect_timeout, so that a failover is a pause to who connects; sessions end with their
// server, and those of a primary that does not answer once another host is one
// (stranded.go; not those begun before a reload). A client cannot be moved once it has
// logged in: in the second until a change of roles is known it may be refused with 08001,
// and is to connect again.
//
// # Limits
//
// TLS is not offered on unix sockets, as in PostgreSQL. During an exchange a client that goes away is
// noticed when it is written to or read from, as a busy server does.
// See pending for the one order of messages that its bookkeeping cannot tell.
package proxy
