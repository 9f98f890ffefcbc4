package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"slices"
)

// maxAuthMessage bounds messages before authentication is over (PG_MAX_AUTH_TOKEN_LENGTH is 65535).
const maxAuthMessage = 1 << 17

// Kinds of Authentication messages.
const (
	authOK                = 0
	authCleartext         = 3
	authMD5               = 5
	authGSS               = 7
	authGSSContinue       = 8
	authSSPI              = 9
	authSASL              = 10
	authSASLContinue      = 11
	authSASLFinal         = 12
	scramPlus             = "SCRAM-SHA-256-PLUS"
	channelBindingMessage = "SCRAM channel binding cannot pass a proxy that shows another TLS certificate than the server"
	channelBindingHint    = "Connect with channel_binding=disable; or give the proxy the server's own certificate and key; " +
		"or let the proxy reach the server without TLS (sslmode=disable in its upstream setting, or a unix socket)."
)

// authenticate relays the authentication exchange in lock-step, up to
// AuthenticationOk (true). GSSAPI and SSPI have no fixed order of turns: there
// it returns at once (false), and the relay's startup phase does the rest.
func (r *relay) authenticate(ctx context.Context) (passed bool, err error) {
	for {
		typ, body, size, err := r.sin.frame(maxAuthMessage)
		if err != nil {
			return false, errors.Join(errServerGone, err)
		}
		switch typ {
		case 'R':
			if len(body) < 4 {
				return false, protocolError("the server sent an invalid authentication request")
			}
			kind := binary.BigEndian.Uint32(body)
			if kind == authSASL {
				if err := r.sasl(ctx, body, size); err != nil {
					return false, err
				}
				continue
			}
			if kind == authOK || kind == authGSS || kind == authSSPI { // of the latter's end nobody tells
				if err := r.srv.admitUser(r); err != nil {
					return false, err
				}
			}
			if err := r.passToClient(size); err != nil {
				return false, err
			}
			switch kind {
			case authOK:
				return true, nil
			case authGSS, authGSSContinue, authSSPI:
				return false, nil
			case authCleartext, authMD5, authSASLContinue:
				if err := r.passPassword(); err != nil {
					return false, err
				}
			case authSASLFinal:
			default:
				return false, &clientError{code: codeUnsupported, message: fmt.Sprintf("authentication method %d of the server cannot pass the proxy", kind)}
			}
		case 'E':
			why := serverSaid(body) // the body is gone once it is passed on
			return false, errors.Join(why, r.passToClient(size))
		default: // NegotiateProtocolVersion, notices
			if err := r.passToClient(size); err != nil {
				return false, err
			}
		}
	}
}

func (r *relay) passToClient(size int) error {
	b := r.sin.buf[r.sin.r : r.sin.r+size]
	r.sin.r += size
	return r.writeClient(b)
}

// passPassword relays one PasswordMessage, SASLInitialResponse or SASLResponse.
func (r *relay) passPassword() error {
	_, size, err := r.readPassword()
	if err != nil {
		return err
	}
	return r.passToServer(size)
}

func (r *relay) passToServer(size int) error {
	b := r.cin.buf[r.cin.r : r.cin.r+size]
	r.cin.r += size
	return r.writeServer(b)
}

func (r *relay) readPassword() (body []byte, size int, err error) {
	typ, body, size, err := r.cin.frame(maxAuthMessage)
	switch {
	case err != nil:
		return nil, 0, clientRead(err)
	case typ == 'X':
		return nil, 0, errTerminated
	case typ != 'p':
		return nil, 0, protocolError(fmt.Sprintf("expected password response, got message type %d", typ))
	}
	return body, size, nil
}

// sasl relays AuthenticationSASL and the client's SASLInitialResponse.
//
// SCRAM-SHA-256-PLUS binds the exchange to the server's certificate as the
// client sees it, so it works only where the proxy shows the client that same
// certificate. Else it is taken off the list. A client under TLS that could have
// used it then says so ("y"); a server that offered it takes this for an attack
// and refuses. It would have to be told the same: where sslmode lets the proxy
// go without TLS, it connects again in the clear, where servers do not offer it.
// Of clients that must use TLS this takes an sslmode that somebody has set.
func (r *relay) sasl(ctx context.Context, body []byte, size int) error {
	mechanisms := bytes.Split(bytes.TrimRight(body[4:], "\x00"), []byte{0})
	plus := slices.IndexFunc(mechanisms, func(m []byte) bool { return string(m) == scramPlus })
	strip := plus >= 0 && !(r.opening.tls && r.legs.sameCertificate(r.server))
	if !strip {
		if err := r.passToClient(size); err != nil {
			return err
		}
		return r.passPassword()
	}
	mechanisms = slices.Delete(mechanisms, plus, plus+1)
	if len(mechanisms) == 0 {
		return channelBindingError()
	}
	list := slices.Clone(body[:4])
	for _, m := range mechanisms {
		list = append(append(list, m...), 0)
	}
	r.sin.r += size
	if err := r.writeClient(appendFrame(nil, 'R', append(list, 0))); err != nil {
		return err
	}
	answer, size, err := r.readPassword()
	if err != nil {
		return err
	}
	if gs2Flag(answer) == 'y' {
		if err := r.reopenInTheClear(ctx); err != nil {
			return err
		}
	}
	return r.passToServer(size)
}

// reopenInTheClear changes to the same server without TLS, up to where the
// server has offered the mechanisms that the client has chosen from.
func (r *relay) reopenInTheClear(ctx context.Context) error {
	if !r.ep.optional {
		return channelBindingError()
	}
	local := isLoopback(r.ep.addr)
	if r.legs.tlsOnly && !r.legs.modeGiven && !local {
		e := channelBindingError()
		e.detail = "Clients of this proxy must use TLS, and without it their sessions go on to the server only if its upstream setting says so: sslmode=prefer."
		return e
	}
	ep := r.ep
	ep.tls, ep.optional = nil, false
	r.server.Close()
	code, err := r.openEndpoint(ctx, ep, r.srv.o.StartupTimeout)
	if err != nil {
		return &clientError{code: codeConnectionFailure, message: "the connection to the database server was lost", cause: err}
	}
	typ, body, size, err := r.sin.frame(maxAuthMessage)
	if err != nil {
		return errors.Join(errServerGone, err)
	}
	if code != "" || typ != 'R' || len(body) < 4 || binary.BigEndian.Uint32(body) != authSASL {
		e := channelBindingError()
		e.detail = "Without TLS, the server refuses the proxy or asks for another way to authenticate."
		return e
	}
	r.sin.r += size
	if !local {
		r.legs.inTheClear.Do(func() {
			r.log().Warn("this session is under TLS and goes on to the server in the clear, as others will: "+channelBindingMessage, "server", ep.addr,
				"mend", "sslmode=require in upstream, and in tls-cert the server's own certificate, or clients that connect with channel_binding=disable")
		})
	}
	return nil
}

func isLoopback(addr string) bool {
	host, _, _ := net.SplitHostPort(addr)
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// gs2Flag is the first byte of a SCRAM client's first message: n, y or p.
func gs2Flag(initialResponse []byte) byte {
	_, rest, _ := bytes.Cut(initialResponse, []byte{0})
	if len(rest) < 5 {
		return 0
	}
	return rest[4]
}

func channelBindingError() *clientError {
	return &clientError{code: codeInvalidAuth, message: channelBindingMessage, hint: channelBindingHint}
}
