package proxy

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/rowback/rowback/internal/testcert"
)

// keyUpdate is the message that asks the peer for one of its own (RFC 8446, 4.6.3).
var keyUpdate = []byte{24, 0, 0, 1, 1}

// sealer makes TLS 1.3 records that crypto/tls does not send when it is asked to.
type sealer struct {
	t      *testing.T
	secret []byte
	seq    uint64
}

// sealerFrom goes on from what the client has logged of its keys, behind so many records.
func sealerFrom(t *testing.T, c *tls.Conn, keys string, records uint64) *sealer {
	t.Helper()
	if suite := c.ConnectionState().CipherSuite; suite != tls.TLS_AES_128_GCM_SHA256 {
		t.Skipf("not run: on this processor crypto/tls chooses %s, and the test makes records of TLS_AES_128_GCM_SHA256 alone", tls.CipherSuiteName(suite))
	}
	for line := range strings.Lines(keys) {
		if f := strings.Fields(line); f[0] == "CLIENT_TRAFFIC_SECRET_0" {
			secret, err := hex.DecodeString(f[2])
			if err != nil {
				t.Fatal(err)
			}
			return &sealer{t, secret, records}
		}
	}
	t.Fatal("the client has logged no key")
	return nil
}

func (s *sealer) derive(label string, n int) []byte {
	s.t.Helper()
	info := append([]byte{byte(n >> 8), byte(n), byte(len("tls13 " + label))}, "tls13 "+label+"\x00"...)
	key, err := hkdf.Expand(sha256.New, s.secret, string(info), n)
	if err != nil {
		s.t.Fatal(err)
	}
	return key
}

// seal is one record of that type.
func (s *sealer) seal(typ byte, content []byte) []byte {
	s.t.Helper()
	block, err := aes.NewCipher(s.derive("key", 16))
	if err != nil {
		s.t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		s.t.Fatal(err)
	}
	nonce := s.derive("iv", 12)
	binary.BigEndian.PutUint64(nonce[4:], binary.BigEndian.Uint64(nonce[4:])^s.seq)
	s.seq++
	header := binary.BigEndian.AppendUint16([]byte{23, 3, 3}, uint16(len(content)+1+aead.Overhead()))
	return aead.Seal(header, nonce, append(bytes.Clone(content), typ), header)
}

// update is a KeyUpdate; what is sealed from then on has the next key.
func (s *sealer) update() []byte {
	record := s.seal(tlsRecordHandshake, keyUpdate)
	s.secret, s.seq = s.derive("traffic upd", sha256.Size), 0
	return record
}

// A client that does not read, and has TLS write to it where its own messages are read (an
// answer to KeyUpdate, an alert), stops nobody else on its loop; and once it reads all is there.
func TestLoop_TLSWritesWhereItReads(t *testing.T) {
	cert, key := testcert.New(t).Issue(t, "proxy")
	const rows = 20_000
	for name, c := range map[string]struct {
		sends func(s *sealer) []byte
		whole bool // the session goes on
	}{
		"key updates": {func(s *sealer) (all []byte) {
			for range 10 { // more in a row Go's own client does not take
				all = append(append(all, s.update()...), s.seal(23, frame(&pgproto3.Flush{}))...)
			}
			return append(all, s.seal(23, frame(&pgproto3.Query{String: "SELECT 1"}))...)
		}, true},
		"key updates without end": {func(s *sealer) (all []byte) {
			for range 20_000 {
				all = append(append(all, s.update()...), s.seal(23, frame(&pgproto3.Flush{}))...)
			}
			return all
		}, false},
		"nonsense": {func(s *sealer) []byte { return bytes.Repeat([]byte{23, 3, 3, 0, 32}, 100) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, Options{TLS: mustLoad(t, cert, key, ""), Loops: 1})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			raw, err := (&net.Dialer{Control: smallWindow}).DialContext(ctx, "tcp", s.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer raw.Close()
			write(t, raw, packet(requestSSL, ""))
			if _, err := raw.Read(make([]byte, 1)); err != nil {
				t.Fatal(err)
			}
			var keys strings.Builder
			under := tls.Client(raw, &tls.Config{InsecureSkipVerify: true, KeyLogWriter: &keys})
			write(t, under, packet(3<<16, startupBody))
			readUntil(t, under, 'Z')
			write(t, under, frame(&pgproto3.Query{String: "SELECT repeat('x', 1000) FROM generate_series(1, 20000)"}))
			eventually(t, "the proxy waits for the client", func() bool { return strings.Contains(stacks(), "proxy.(*sock).writeRaw") })
			sent := make(chan error, 1)
			go func() {
				_, err := raw.Write(c.sends(sealerFrom(t, under, keys.String(), 2)))
				sent <- err
			}()
			if c.whole {
				if err := <-sent; err != nil {
					t.Fatal(err)
				}
			} else {
				eventually(t, "the session ends", func() bool { return s.Stats().Sessions == 0 })
				raw.Close()
				<-sent
			}
			other := connect(t, proxyURL(s, "postgres"))
			for range 10 {
				if _, err := other.Exec(ctx, "SELECT 1"); err != nil {
					t.Fatal("another client is not served:", err)
				}
			}
			if !c.whole {
				return
			}
			if types, _ := readUntil(t, under, 'Z'); types != "T"+strings.Repeat("D", rows)+"CZ" {
				t.Errorf("%d messages of %d", len(types), rows+3)
			}
			if types, _ := readUntil(t, under, 'Z'); types != "TDCZ" {
				t.Errorf("then %q", types)
			}
		})
	}
}
