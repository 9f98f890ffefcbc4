package proxy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

const (
	// maxStartup bounds a startup packet, as PostgreSQL does (MAX_STARTUP_PACKET_LENGTH).
	maxStartup = 10_000

	requestCancel = 1234<<16 | 5678
	requestSSL    = 1234<<16 | 5679
	requestGSS    = 1234<<16 | 5680
)

// greeting is what a connection's first packets said.
type greeting struct {
	conn   net.Conn // the connection from here on: under TLS if that was agreed
	tls    bool
	legs   *legs
	cancel []byte // process ID and secret key of a cancel request, else nil
	packet []byte // the startup packet, with its length
	params map[string]string
}

// readStartup answers SSLRequest and GSSENCRequest, and returns the startup
// packet or cancel request. Nothing is read beyond the packet under way, so
// bytes that a client (or somebody between) sends in the clear behind its
// SSLRequest meet the TLS handshake and break it: they are never taken for
// messages that came under TLS (CVE-2021-23222, CVE-2021-3935).
func (s *Server) readStartup(c *arrival, legs *legs) (greeting, error) {
	g := greeting{conn: c, legs: legs}
	first := make([]byte, 1)
	if _, err := io.ReadFull(c, first); err != nil {
		return g, errors.Join(errClientGone, err)
	}
	c.first = first
	if first[0] == tlsRecordHandshake {
		if err := directTLS(&g); err != nil {
			return greeting{}, err
		}
	}
	for askedSSL, askedGSS := false, false; ; {
		packet, err := readPacket(g.conn)
		if err != nil {
			return g, err
		}
		code := binary.BigEndian.Uint32(packet[4:])
		switch {
		case code == requestCancel:
			// A process ID of 4 bytes; a key of 4, or since protocol 3.2 up to 256.
			if n := len(packet) - 12; n < 4 || n > 256 {
				return greeting{}, protocolError("invalid length of a cancel request")
			}
			g.cancel = packet[8:]
			return g, nil
		case code == requestSSL && len(packet) == 8 && !askedSSL && !g.tls:
			askedSSL = true
			if err := answerSSL(&g); err != nil {
				return greeting{}, err
			}
		case code == requestGSS && len(packet) == 8 && !askedGSS && !g.tls:
			askedGSS = true
			if _, err := g.conn.Write([]byte{'N'}); err != nil {
				return greeting{}, errors.Join(errClientGone, err)
			}
		case code>>16 == 3:
			g.packet = packet
			if _, on, _ := unwrap(g.conn); on != nil {
				on.Conn = c.Conn
			} else {
				g.conn = c.Conn
			}
			g.params, err = startupParams(packet[8:])
			if err == nil && g.legs.tlsOnly && !g.tls && c.RemoteAddr().Network() != "unix" {
				err = &clientError{code: codeInvalidAuth, message: "this proxy accepts only connections under TLS",
					hint: "Connect with sslmode=require."}
			}
			return g, err
		default:
			return g, &clientError{code: codeUnsupported,
				message: fmt.Sprintf("unsupported frontend protocol %d.%d", code>>16, code&0xffff)}
		}
	}
}

// readPacket reads one packet without a type byte.
func readPacket(c net.Conn) ([]byte, error) {
	b := make([]byte, 8, 512)
	if _, err := io.ReadFull(c, b); err != nil {
		return nil, errors.Join(errClientGone, err)
	}
	n := binary.BigEndian.Uint32(b)
	if n < 8 || n > maxStartup {
		e := &clientError{code: codeProtocolViolation, message: "invalid length of startup packet"}
		if bytes.HasPrefix(b, []byte("PROXY ")) || bytes.Equal(b, []byte("\r\n\r\n\x00\r\nQ")) { // version 1, 2
			e.cause = errors.New("a load balancer sent a header of the PROXY protocol, which is not understood here: switch it off there (haproxy's send-proxy)")
		}
		return nil, e
	}
	b = append(b, make([]byte, n-8)...)
	if _, err := io.ReadFull(c, b[8:]); err != nil {
		return nil, errors.Join(errClientGone, err)
	}
	return b, nil
}

// startupParams reads the name and value pairs of a startup packet.
func startupParams(b []byte) (map[string]string, error) {
	params := map[string]string{}
	for {
		name, rest, ok := bytes.Cut(b, []byte{0})
		if !ok {
			break
		}
		if len(name) == 0 {
			if len(rest) > 0 {
				break
			}
			return params, nil
		}
		value, rest, ok := bytes.Cut(rest, []byte{0})
		if !ok {
			break
		}
		if _, twice := params[string(name)]; twice && string(name) == "replication" { // each says a part of what the server makes of it
			return nil, protocolError("the startup packet says replication twice")
		}
		params[string(name)] = string(value)
		b = rest
	}
	return nil, protocolError("invalid startup packet layout: expected terminator as last byte")
}

// isReplication reads the startup parameter replication as the server does, but for "database".
// What is no boolean goes to the server, which refuses it.
func isReplication(v string) bool {
	v = strings.ToLower(v)
	if v == "on" || v == "1" {
		return true
	}
	return v != "" && (strings.HasPrefix("true", v) || strings.HasPrefix("yes", v))
}
